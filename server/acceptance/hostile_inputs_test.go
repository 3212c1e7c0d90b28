package acceptance_test

import (
	"encoding/base64"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/internal/token"
	"github.com/soundextract/sx/server/sx"
)

// input is one hostile request, as the bytes on a connection.
type input struct{ name, raw string }

// request returns a request with the body and the header lines.
func request(method, target, body string, headers ...string) string {
	var out strings.Builder
	fmt.Fprintf(&out, "%s %s HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n", method, target)
	for _, h := range headers {
		out.WriteString(h + "\r\n")
	}
	if body != "" {
		fmt.Fprintf(&out, "Content-Length: %d\r\n", len(body))
	}
	return out.String() + "\r\n" + body
}

const (
	jsonType = "Content-Type: application/json"
	resume   = "Tus-Resumable: 1.0.0"
	octets   = "Content-Type: application/offset+octet-stream"
)

// hostileTexts are names, IDs, cursors and terms, not escaped.
var hostileTexts = []string{
	"", " ", "\x00", "a\x00b", "../../etc/passwd", "..", "/", "\\", "a/b", "%", "%00", "\xff\xfe", "\u202egpm.exe", "\u200b", "🎵", "e\u0301",
	"-1", "0", "1e309", "9223372036854775808", "null", "true", "{}", "$where", "{\"$gt\":\"\"}", "' OR 1=1 --", "<script>", "=?utf-8?q?x?=",
	"\r\nX-Injected: 1", "\x1b[2J\x1b]52;c;aGk=\a", strings.Repeat("a", 1001), strings.Repeat("ä", 4000), "k3q5wz7d2mhv4xay", "K3Q5WZ7D2MHV4XAY",
}

func protocol(auth string) (inputs []input) {
	for name, raw := range map[string]string{
		"nothing but line ends":    "\r\n\r\n\r\n\r\n",
		"no method":                " / HTTP/1.1\r\n\r\n",
		"binary":                   "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
		"HTTP/0.9":                 "GET /\r\n\r\n",
		"HTTP/2 preface":           "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
		"HTTP/9.9":                 "GET / HTTP/9.9\r\nHost: x\r\n\r\n",
		"no Host":                  "GET /v1/jobs HTTP/1.1\r\n\r\n",
		"two Hosts":                "GET /v1/jobs HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
		"hostile Host":             "GET /v1/jobs HTTP/1.1\r\nHost: \x00\r\n\r\n",
		"absolute form":            request("GET", "http://169.254.169.254/latest/meta-data", ""),
		"CONNECT":                  request("CONNECT", "169.254.169.254:80", ""),
		"TRACE":                    request("TRACE", "/v1/jobs", "", auth),
		"unknown method":           request("BREW", "/v1/jobs", "", auth),
		"long method":              request(strings.Repeat("A", 10_000), "/v1/jobs", "", auth),
		"star":                     request("OPTIONS", "*", ""),
		"two lengths":              request("POST", api.PathLogin, "", jsonType, "Content-Length: 3", "Content-Length: 4"),
		"length and chunks":        request("POST", api.PathLogin, "", jsonType, "Content-Length: 3", "Transfer-Encoding: chunked") + "0\r\n\r\n",
		"unknown encoding":         request("POST", api.PathLogin, "", jsonType, "Transfer-Encoding: gzip, chunked"),
		"negative length":          request("POST", api.PathLogin, "", jsonType, "Content-Length: -1"),
		"overflowing length":       request("POST", api.PathLogin, "", jsonType, "Content-Length: 99999999999999999999"),
		"negative chunk":           request("POST", api.PathLogin, "", jsonType, "Transfer-Encoding: chunked") + "-1\r\n\r\n",
		"overflowing chunk":        request("POST", api.PathLogin, "", jsonType, "Transfer-Encoding: chunked") + "FFFFFFFFFFFFFFFFF\r\n",
		"long chunk extension":     request("POST", api.PathLogin, "", jsonType, "Transfer-Encoding: chunked") + "1;" + strings.Repeat("a", 1<<17) + "\r\n",
		"tiny chunks":              request("POST", api.PathLogin, "", jsonType, "Transfer-Encoding: chunked") + strings.Repeat("1\r\n \r\n", 20_000) + "0\r\n\r\n",
		"upgrade":                  request("GET", "/v1/events?id=x", "", auth, "Connection: Upgrade", "Upgrade: websocket"),
		"header without a colon":   request("GET", "/v1/jobs", "", auth, "Bad"),
		"folded header":            request("GET", "/v1/jobs", "", auth, "A: b\r\n c"),
		"NUL in a header":          request("GET", "/v1/jobs", "", auth, "A: \x00"),
		"many headers":             request("GET", "/v1/jobs", "", append([]string{auth}, strings.Split(strings.Repeat("A: b\n", 20_000), "\n")[:20_000]...)...),
		"long header":              request("GET", "/v1/jobs", "", auth, "A: "+strings.Repeat("b", 1<<20)),
		"long target":              request("GET", "/"+strings.Repeat("a", 1<<20), "", auth),
		"hostile request ID":       request("GET", "/v1/jobs", "", auth, "X-Request-ID: "+strings.Repeat("\x1b", 100)),
		"hostile forwarded-for":    request("GET", api.PathMe, "", auth, "X-Forwarded-For: ::1, \xff, "+strings.Repeat("1,", 10_000)),
		"unsatisfied expectation":  request("POST", api.PathLogin, "", jsonType, "Expect: 200-maybe"),
		"compressed body":          request("POST", api.PathLogin, "\x1f\x8b\x08", jsonType, "Content-Encoding: gzip"),
		"another site's form":      request("POST", api.PathLogin, "name=a&password=b", "Content-Type: application/x-www-form-urlencoded"),
		"two requests, one hidden": request("POST", api.PathLogin, "{}", jsonType) + request("GET", "/v1/jobs", ""),
	} {
		inputs = append(inputs, input{"protocol: " + name, raw})
	}
	return inputs
}

func paths(auth string) (inputs []input) {
	for _, route := range []struct{ method, path string }{
		{"GET", api.PathJob},
		{"DELETE", api.PathJob},
		{"POST", api.PathCancel},
		{"POST", api.PathRetry},
		{"GET", api.PathTrack},
		{"HEAD", api.PathUploads + "{id}"},
		{"DELETE", api.PathUploads + "{id}"},
		{"DELETE", api.PathToken},
		{"DELETE", api.PathWebhook},
		{"POST", api.PathDisable},
		{"PATCH", api.PathLimits},
		{"GET", api.PathAdminJob},
		{"POST", api.PathShares},
		{"DELETE", api.PathShare},
		{"GET", api.PathSharePage},
		{"GET", api.PathSharedTrack},
		{"GET", api.PathSharedArchive},
		{"DELETE", api.PathFeed},
		{"GET", api.PathFeedXML},
		{"GET", api.PathFeedCover},
		{"GET", api.PathFeedChapters},
		{"GET", api.PathDevice},
		{"POST", api.PathDevice},
		{"POST", api.PathReplay},
	} {
		for _, text := range hostileTexts {
			id := url.PathEscape(text)
			target := strings.NewReplacer("{id}", id, "{number}", id, "{name}", id, "{share}", id, "{secret}", id, "{job}", id, "{code}", id).Replace(route.path)
			inputs = append(inputs, input{route.method + " " + shorten(target), request(route.method, target, "", auth, resume)})
		}
	}
	return inputs
}

func queries(auth string) (inputs []input) {
	for _, parameter := range []string{"name", "label", "state", "after", "limit", "id", "source", "unknown"} {
		for _, path := range []string{api.PathJobs, api.PathEvents, api.PathUsers, api.PathDeliveries} {
			if path != api.PathJobs && parameter != "after" && parameter != "limit" && parameter != "id" {
				continue
			}
			for _, text := range hostileTexts {
				target := path + "?" + parameter + "=" + url.QueryEscape(text)
				// HEAD, because a stream of jobs that do not exist ends by itself, but others do not.
				inputs = append(inputs, input{"HEAD " + shorten(target), request("HEAD", target, "", auth)})
			}
		}
	}
	for _, path := range []string{api.PathArchive + "?id=", api.PathJobs + "?state=", api.PathJobs + "?shared="} {
		for _, text := range hostileTexts {
			inputs = append(inputs, input{"GET " + path + shorten(text), request("GET", path+url.QueryEscape(text), "", auth)})
		}
	}
	for _, parameter := range []string{"preset", "bitrate", "quality", "mono", "track", "start", "end", "loudness", "split_every", "title", "labels", "priority", "source_size", "identity", "sources"} {
		for _, text := range append([]string{"NaN", "Inf", "-Inf", "1e-320", "[]", "[{}]", strings.Repeat("[", 5000)}, hostileTexts...) {
			target := api.PathJobs + "?filename=a&" + parameter + "=" + url.QueryEscape(text)
			inputs = append(inputs, input{"POST " + shorten(target), request("POST", target, "RIFF", auth, octets, api.HeaderIdempotencyKey+": "+shorten(text))})
		}
	}
	for _, cursor := range []string{"1y2p0ij32e8e7.x", "-1y2p0ij32e8e8.x", "0.x", "-1.x", "zzzzzzzz." + strings.Repeat("x", 64), ".x", "1."} {
		inputs = append(inputs, input{"cursor " + cursor, request("GET", api.PathJobs+"?after="+url.QueryEscape(cursor), "", auth)})
	}
	for _, query := range []string{"%", strings.Repeat("state=done&", 2000), strings.Repeat("label=a&", 2000), "%zz", ";;", "a=1&" + strings.Repeat("id=x&", 5000), strings.Repeat("limit=1&", 5000), "=", "&&&&"} {
		inputs = append(inputs, input{"query " + shorten(query), request("GET", api.PathJobs+"?"+query, "", auth)})
	}
	return inputs
}

func bodies(auth string) (inputs []input) {
	bad := []string{
		"{", "[]", "null", "0", `""`, "{}{}", "{} x", "\xef\xbb\xbf{}", `{"a":}`, `{"name":1}`, `{"name":["a"]}`, `{"name":"a","name":"b"}`, `{"name":"\u0000"}`,
		`{"name":"\ud800"}`, "{\"name\":\"\xff\"}", `{"expires_in":1e999}`, `{"expires_in":99999999999999999999}`, `{"expires_in":-1}`, `{"unknown":1}`,
		strings.Repeat("[", 16_000), strings.Repeat(`{"a":`, 3000), `{"name":"` + strings.Repeat("a", 15_000) + `"}`, `{"name":"` + strings.Repeat("a", 1<<20) + `"}`,
	}
	for _, route := range []struct{ method, path string }{
		{"POST", api.PathRegister},
		{"POST", api.PathLogin},
		{"POST", api.PathRefresh},
		{"POST", api.PathLogout},
		{"POST", api.PathPassword},
		{"POST", api.PathTokens},
		{"POST", api.PathInvitations},
		{"PUT", api.PathEmail},
		{"POST", api.PathConfirm},
		{"POST", api.PathWebhooks},
		{"POST", api.PathLookup},
		{"POST", api.PathRecover},
		{"POST", api.PathDelete},
		{"POST", api.PathBrowserSignIn},
		{"POST", api.PathDevices},
		{"POST", api.PathDeviceToken},
		{"POST", api.PathOIDCStart},
		{"POST", api.PathOIDC},
		{"POST", api.PathFeeds},
		{"POST", api.PathReplay},
		{"POST", api.PathTest},
		{"PATCH", "/v1/jobs/k3q5wz7d2mhv4xay"},
	} {
		for _, body := range bad {
			inputs = append(inputs, input{route.method + " " + route.path + " " + shorten(body), request(route.method, route.path, body, auth, jsonType)})
		}
	}
	million := `{"items":[` + strings.Repeat("{},", 1_390_000) + `{}]}`
	for i := range 8 { // each item would need 176 bytes
		inputs = append(inputs, input{fmt.Sprint("lookup of a million items, ", i), request("POST", api.PathLookup, million, auth, jsonType)})
	}
	for _, text := range hostileTexts {
		quoted := strconv.QuoteToASCII(text)
		inputs = append(inputs,
			input{"register " + shorten(text), request("POST", api.PathRegister, `{"name":`+quoted+`,"password":`+quoted+`}`, jsonType)},
			input{"webhook " + shorten(text), request("POST", api.PathWebhooks, `{"url":`+quoted+`}`, auth, jsonType)},
			input{"e-mail " + shorten(text), request("PUT", api.PathEmail, `{"address":`+quoted+`}`, auth, jsonType)},
			input{"refresh " + shorten(text), request("POST", api.PathRefresh, `{"refresh_token":`+quoted+`}`, jsonType)})
	}
	return inputs
}

func credentials() (inputs []input) {
	part := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	claims := part(`{"iss":"soundextract","aud":"soundextract-api","sub":"x","sid":"y","exp":9999999999}`)
	bad := []string{
		"", "Bearer", "Bearer ", "Basic YTpi", "Bearer x", "Bearer ..", "Bearer a.b.c", "Bearer " + strings.Repeat("a", 30_000), "Bearer " + strings.Repeat(".", 30_000),
		"Bearer " + part(`{"alg":"none"}`) + "." + claims + ".", "Bearer " + part(`{"alg":"HS256","kid":"x"}`) + "." + claims + "." + part("x"),
		"Bearer " + part(`{"alg":"EdDSA","kid":"`+strings.Repeat("k", 2000)+`"}`) + "." + claims + "." + part(strings.Repeat("s", 64)),
		"Bearer " + part(`{"alg":"EdDSA","jku":"http://169.254.169.254/"}`) + "." + claims + "." + part("x"), "Bearer " + part(strings.Repeat("[", 2000)) + "." + claims + ".x",
		"Bearer sxp_", "Bearer sxp_" + strings.Repeat("a", 48), "Bearer sxp_" + strings.Repeat("a", 30_000), "Bearer sxo_" + strings.Repeat("a", 26), "Bearer sxo_\x00",
		"Bearer sxi_" + strings.Repeat("a", 48), "bearer \xff", "Bearer a b",
	}
	for range 20 {
		bad = append(bad, "Bearer "+token.NewSecret(api.TokenPrefix, sx.NewID()))
	}
	for i, value := range bad {
		for _, path := range []string{api.PathJobs, api.PathMe, api.PathNotify} {
			inputs = append(inputs, input{fmt.Sprintf("credential %d at %s", i, path), request("GET", path, "", "Authorization: "+value)})
		}
	}
	return inputs
}

func uploads(auth string) (inputs []input) {
	create := func(name, length string, headers ...string) {
		inputs = append(inputs, input{"upload: " + name, request("POST", api.PathUploads, "", append([]string{auth, resume, "Upload-Length: " + length}, headers...)...)})
	}
	for _, length := range []string{"-1", "", "x", "0", "1e3", "0x10", " 5", "+5", "9223372036854775807", "9223372036854775808", "18446744073709551616", strings.Repeat("9", 1000), "5,6"} {
		create("length "+shorten(length), length)
	}
	for _, text := range hostileTexts {
		create("name "+shorten(text), "1", "Upload-Metadata: filename "+base64.StdEncoding.EncodeToString([]byte(text)))
	}
	for _, metadata := range []string{
		"", ",", " ", "filename", "filename !!!", "filename YQ==,filename Yg==", strings.Repeat("k v,", 5000), strings.Repeat("a", 30_000), "filename YQ==,options " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("[", 5000))),
		"filename YQ==,label " + base64.StdEncoding.EncodeToString([]byte(strings.Repeat("l", 5000))), "filename YQ==,preset " + base64.StdEncoding.EncodeToString([]byte("\x00")), "\xff \xff",
	} {
		create("metadata "+shorten(metadata), "1", "Upload-Metadata: "+metadata)
	}
	create("no version", "1", "Tus-Resumable: 9.9.9")
	return inputs
}

// appends are PATCH requests on an upload.
func appends(auth, id string) (inputs []input) {
	for _, offset := range []string{"-1", "", "x", "1", "1e3", "9223372036854775807", "9223372036854775808", "18446744073709551616", strings.Repeat("9", 1000)} {
		inputs = append(inputs, input{"offset " + shorten(offset), request("PATCH", api.PathUploads+id, "x", auth, resume, octets, "Upload-Offset: "+offset)})
	}
	return append(inputs,
		input{"PATCH of another type", request("PATCH", api.PathUploads+id, "x", auth, resume, jsonType, "Upload-Offset: 0")},
		input{"PATCH of too much", request("PATCH", api.PathUploads+id, strings.Repeat("x", 10_000), auth, resume, octets, "Upload-Offset: 0")})
}

// ranges are requests for parts of a track.
func ranges(auth, target string) (inputs []input) {
	for _, r := range []string{
		"bytes=0-0", "bytes=-1", "bytes=-0", "bytes=5-1", "bytes=-", "bytes=", "bytes", "x=0-1", "bytes=0-99999999999999999999", "bytes=9223372036854775807-", "bytes=99999999-",
		"bytes=a-b", "bytes=0-0,1-1", "bytes=" + strings.Repeat("0-0,", 15) + "1-1", "bytes=" + strings.Repeat("0-0,", 3000) + "1-1", "bytes=" + strings.Repeat(",", 3000), "bytes=0-,0-,0-,0-,0-,0-,0-,0-",
	} {
		inputs = append(inputs, input{"range " + shorten(r), request("GET", target, "", auth, "Range: "+r)})
	}
	return append(inputs, input{"hostile conditions", request("GET", target, "", auth, "If-Range: \xff", "If-None-Match: "+strings.Repeat(`"a",`, 5000), "If-Modified-Since: x")})
}

// media are small files that are not what they seem, by name.
func media(wav string) map[string]string {
	random := rand.New(rand.NewPCG(1, 2)) //nolint:gosec // the same bytes in each run
	noise := func(n int) string {
		out := make([]byte, n)
		for i := range out {
			out[i] = byte(random.Uint32())
		}
		return string(out)
	}
	box := func(kind, content string) string {
		size := len(content) + 8
		return string([]byte{byte(size >> 24), byte(size >> 16), byte(size >> 8), byte(size)}) + kind + content
	}
	nested := ""
	for range 5000 {
		nested = box("moov", nested)
	}
	mp4 := box("ftyp", "isom\x00\x00\x00\x00isom")
	return map[string]string{
		"playlist.mp4":   "#EXTM3U\n#EXTINF:1\nfile:///etc/passwd\n",
		"concat.mp4":     "ffconcat version 1.0\nfile '/etc/passwd'\n",
		"script.mp4":     "#!/bin/sh\nsleep 100\n",
		"nested.mp4":     mp4 + nested,
		"huge.mp4":       mp4 + "\xff\xff\xff\xffmoov",
		"64.mp4":         mp4 + "\x00\x00\x00\x01mdat\x7f\xff\xff\xff\xff\xff\xff\xff" + noise(100),
		"noise.mp4":      mp4 + noise(20_000),
		"noise.mkv":      "\x1a\x45\xdf\xa3\xa3\x42\x86\x81\x01\x42\xf7\x81\x01\x42\xf2\x81\x04\x42\xf3\x81\x08\x42\x82\x84webm" + noise(20_000),
		"endless.mkv":    "\x1a\x45\xdf\xa3\x01\xff\xff\xff\xff\xff\xff\xff" + noise(1000),
		"id3.mp3":        "ID3\x04\x00\x00\x7f\x7f\x7f\x7f" + noise(2000),
		"frames.mp3":     strings.Repeat("\xff\xfb\x90\x00", 5000),
		"noise.ogg":      "OggS\x00\x02" + noise(5000),
		"noise.flac":     "fLaC\x80\xff\xff\xff" + noise(5000),
		"truncated.wav":  wav[:len(wav)/2],
		"header.wav":     wav[:44],
		"channels.wav":   wav[:22] + "\xff\xff" + wav[24:],
		"rate.wav":       wav[:24] + "\xff\xff\xff\x7f" + wav[28:],
		"zero-rate.wav":  wav[:24] + "\x00\x00\x00\x00" + wav[28:],
		"big-chunk.wav":  wav[:40] + "\xff\xff\xff\xff" + wav[44:],
		"zeros.ts":       strings.Repeat("G"+strings.Repeat("\x00", 187), 200),
		"\u202e3pm.exe":  wav,
		"a\x1b[2Jb.wav":  wav,
		"=?utf-8?q?x?=":  wav,
		"\xff\xfe\x00.x": wav,
	}
}

func shorten(text string) string {
	if len(text) > 40 {
		text = text[:40] + "…"
	}
	return strconv.QuoteToASCII(text)
}
