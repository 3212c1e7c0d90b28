package gateway_test

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// The namespaces of a feed.
const (
	atomNS    = "http://www.w3.org/2005/Atom"
	itunesNS  = "http://www.itunes.com/dtds/podcast-1.0.dtd"
	podcastNS = "https://podcastindex.org/namespace/1.0"
)

// element is an element of XML with what is in it.
type element struct {
	XMLName  xml.Name
	Attrs    []xml.Attr `xml:",any,attr"`
	Text     string     `xml:",chardata"`
	Children []element  `xml:",any"`
}

func (e element) all(space, name string) (list []element) {
	for _, c := range e.Children {
		if c.XMLName.Space == space && c.XMLName.Local == name {
			list = append(list, c)
		}
	}
	return list
}

func (e element) attr(name string) string {
	for _, a := range e.Attrs {
		if a.Name.Space == "" && a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}

// rules collects what is wrong with a feed.
type rules struct{ problems []string }

func (r *rules) check(ok bool, format string, args ...any) {
	if !ok {
		r.problems = append(r.problems, fmt.Sprintf(format, args...))
	}
}

// one returns the element that must be there once.
func (r *rules) one(in element, space, name string) element {
	list := in.all(space, name)
	r.check(len(list) == 1, "%s has %d elements %s", in.XMLName.Local, len(list), name)
	if len(list) != 1 {
		return element{}
	}
	return list[0]
}

// text returns the text of an element that must be there once, with 1 to most bytes.
func (r *rules) text(in element, space, name string, most int) string {
	text := r.one(in, space, name).Text
	r.check(strings.TrimSpace(text) != "" && len(text) <= most, "%s of %s has %d bytes, want 1 to %d", name, in.XMLName.Local, len(text), most)
	return text
}

// address checks an absolute address without spaces.
func (r *rules) address(what, text string) {
	u, err := url.Parse(text)
	r.check(err == nil && (u.Scheme == "http" || u.Scheme == "https") && u.Host != "" && !strings.Contains(text, " "), "%s is %q, not an address", what, text)
}

// date checks a date of RFC 822 with a year of four digits, as RFC 2822 has it.
func (r *rules) date(what, text string) {
	_, err := time.Parse(time.RFC1123, text)
	r.check(err == nil, "%s is %q: %v", what, text, err)
}

const maxAppleText = 4000 // bytes of a description

// The categories of Apple Podcasts without their subcategories.
var categories = []string{
	"Arts", "Business", "Comedy", "Education", "Fiction", "Government", "History", "Health & Fitness", "Kids & Family", "Leisure",
	"Music", "News", "Religion & Spirituality", "Science", "Society & Culture", "Sports", "Technology", "True Crime", "TV & Film",
}

// feedProblems returns what is wrong with the document of a feed at an address, by
//
//	RSS 2.0                https://www.rssboard.org/rss-specification
//	Apple Podcasts         https://help.apple.com/itc/podcasts_connect/#/itcb54353390
//	Podcasting 2.0         https://github.com/Podcastindex-org/podcast-namespace/blob/main/docs/1.0.md
//	RSS Best Practices     https://www.rssboard.org/rss-profile (atom:link)
//	XML 1.0                https://www.w3.org/TR/xml/#charsets
func feedProblems(doc []byte, address string) []string {
	var r rules
	r.check(strings.HasPrefix(string(doc), `<?xml version="1.0" encoding="UTF-8"?>`), "no declaration of XML")
	for _, c := range string(doc) {
		r.check(c == '\t' || c == '\n' || c == '\r' || c >= ' ' && c <= 0xD7FF || c >= 0xE000 && c <= 0xFFFD || c >= 0x10000, "the character %U is not allowed", c)
	}
	var root element
	d := xml.NewDecoder(strings.NewReader(string(doc)))
	if err := d.Decode(&root); err != nil {
		return append(r.problems, err.Error())
	}
	_, err := d.Token()
	for err == nil {
		_, err = d.Token()
	}
	r.check(errors.Is(err, io.EOF), "after the document: %v", err)
	r.check(root.XMLName.Local == "rss" && root.attr("version") == "2.0", "the document is %s %s", root.XMLName.Local, root.attr("version"))
	channel := r.one(root, "", "channel")
	r.channel(channel, address)
	guids := map[string]bool{}
	for _, item := range channel.all("", "item") {
		r.item(item)
		guid := r.text(item, "", "guid", maxAppleText)
		r.check(!guids[guid], "two items have the GUID %s", guid)
		guids[guid] = true
	}
	return r.problems
}

func (r *rules) channel(c element, address string) {
	r.text(c, "", "title", maxAppleText)
	r.text(c, "", "description", maxAppleText)
	r.address("the link", r.text(c, "", "link", maxAppleText))
	language := r.text(c, "", "language", 20)
	r.check(regexp.MustCompile(`^[a-z]{2}(-[a-z]{2})?$`).MatchString(language), "the language is %q", language)
	r.date("lastBuildDate", r.text(c, "", "lastBuildDate", 100))
	self := r.one(c, atomNS, "link")
	r.check(self.attr("rel") == "self" && self.attr("href") == address && self.attr("type") == "application/rss+xml", "the feed names itself %v", self.Attrs)

	category := r.one(c, itunesNS, "category").attr("text")
	r.check(slices.Contains(categories, category), "the category is %q", category)
	kind := r.text(c, itunesNS, "type", 20)
	r.check(kind == "episodic" || kind == "serial", "the type is %q", kind)
	r.itunes(c)
	image := r.one(c, itunesNS, "image").attr("href")
	r.check(strings.HasSuffix(image, ".png") || strings.HasSuffix(image, ".jpg"), "the image is %q", image)

	guid := r.text(c, podcastNS, "guid", 36)
	r.check(regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`).MatchString(guid), "the GUID %q is no UUIDv5", guid)
	locked := r.text(c, podcastNS, "locked", 3)
	r.check(locked == "yes", "locked is %q, which lets others import the feed", locked)
}

// itunes checks what channels and items have in common.
func (r *rules) itunes(of element) {
	explicit := r.text(of, itunesNS, "explicit", 5)
	r.check(explicit == "true" || explicit == "false", "explicit is %q", explicit)
	block := r.text(of, itunesNS, "block", 3)
	r.check(block == "Yes", "block is %q, which does not hide a podcast", block)
	r.address("the image", r.one(of, itunesNS, "image").attr("href"))
}

func (r *rules) item(i element) {
	r.text(i, "", "title", maxAppleText)
	r.text(i, "", "description", maxAppleText)
	r.date("pubDate", r.text(i, "", "pubDate", 100))
	r.check(r.one(i, "", "guid").attr("isPermaLink") == "false", "a GUID is taken for an address")
	enclosure := r.one(i, "", "enclosure")
	r.address("the enclosure", enclosure.attr("url"))
	length, err := strconv.ParseUint(enclosure.attr("length"), 10, 63)
	r.check(err == nil && length > 0 && enclosure.attr("type") == "audio/mpeg" && strings.HasSuffix(enclosure.attr("url"), ".mp3"), "the enclosure is %v", enclosure.Attrs)
	_, err = strconv.ParseUint(r.text(i, itunesNS, "duration", 20), 10, 63)
	r.check(err == nil, "the duration is no number of seconds: %v", err)
	r.itunes(i)
	chapters := r.one(i, podcastNS, "chapters")
	r.check(chapters.attr("type") == "application/json+chapters", "the chapters are %v", chapters.Attrs)
	r.address("the chapters", chapters.attr("url"))
}

// TestFeedRules checks a feed, also one with hostile texts, against the rules.
func TestFeedRules(t *testing.T) {
	t.Parallel()
	f := newFixture(t, withFeeds(t, new(atomic.Bool)))
	made := f.feed(api.NewFeed{Name: `</title><script>&"']]>`, Folder: `<a>&`})
	valid := func() []byte {
		t.Helper()
		doc := f.do("", http.MethodGet, made.Path, nil).want(t, http.StatusOK).body
		for _, problem := range feedProblems(doc, publicURL+made.Path) {
			t.Error(problem)
		}
		return doc
	}
	valid()
	texts := []string{`</title></item>&amp;<![CDATA[`, "\x01\ufffe\uffff\u202e\x7fabc", strings.Repeat("ä", 4000), "a\xff\xfeb", "😀", ""}
	for i, text := range texts {
		j := f.done(fiona, `<a>&/`+strconv.Itoa(i)+`<b>.mp4`, uint64(i))
		f.change(j.ID, func(j *sx.Job) error {
			for _, tag := range []*string{&j.Tracks[0].Title, &j.Tracks[0].Artist, &j.Tracks[0].Album} {
				*tag = text
			}
			return nil
		})
		f.clock.Advance(time.Second)
	}
	doc := valid()
	if len(doc) > 20_000 || strings.Contains(string(doc), "<script") {
		t.Errorf("the feed has %d bytes: %s", len(doc), doc)
	}
	if got, want := titles(f.read(made.Path)), "5<b> 😀 a\ufffd\ufffdb "+strings.Repeat("ä", 123)+"… \ufffd\ufffdabc </title></item>&amp;<![CDATA["; got != want {
		t.Errorf("the titles are %q, want %q", got, want)
	}
	for _, change := range [][2]string{
		{"<language>en</language>", ""},
		{"<itunes:explicit>false", "<itunes:explicit>no"},
		{` length="6"`, ""},
		{"GMT</pubDate>", "</pubDate>"},
		{"Yes</itunes:block>", "no</itunes:block>"},
		{"😀", "\ufffe"},
		{"</rss>", ""},
		{`rel="self"`, ""},
		{"Education", "Else"},
		{`<guid isPermaLink="false">`, "<guid>"},
	} {
		changed := strings.ReplaceAll(string(doc), change[0], change[1])
		if changed == string(doc) || len(feedProblems([]byte(changed), publicURL+made.Path)) == 0 {
			t.Errorf("the rules do not see that %s was replaced by %q", change[0], change[1])
		}
	}
}
