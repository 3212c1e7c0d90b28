package gateway

import (
	"encoding/xml"
	"fmt"
	"net/http"
	"path"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/sx"
)

// maxFeedText bounds a text of a feed in bytes. What is longer is cut in podcast apps.
const maxFeedText = 250

// podcastNamespace is that of podcast:guid (podcastindex-org/podcast-namespace).
var podcastNamespace = uuid.MustParse("ead4c236-bf58-58c6-a2c6-a6b28d128cb6")

// rss is a feed as RSS 2.0 (rssboard.org/rss-specification) with the elements of Apple
// Podcasts (itunes) and Podcasting 2.0 (podcast). encoding/xml replaces what XML 1.0 does not
// allow in texts.
type rss struct {
	XMLName xml.Name   `xml:"rss"`
	Version string     `xml:"version,attr"`
	Atom    string     `xml:"xmlns:atom,attr"`
	ITunes  string     `xml:"xmlns:itunes,attr"`
	Podcast string     `xml:"xmlns:podcast,attr"`
	Channel rssChannel `xml:"channel"`
}

type rssChannel struct {
	Title       string      `xml:"title"`
	Link        string      `xml:"link"`
	Description string      `xml:"description"`
	Language    string      `xml:"language"`
	Self        rssSelf     `xml:"atom:link"`
	Built       string      `xml:"lastBuildDate"`
	Author      string      `xml:"itunes:author"`
	Type        string      `xml:"itunes:type"`
	Category    rssCategory `xml:"itunes:category"`
	Explicit    bool        `xml:"itunes:explicit"`
	Block       string      `xml:"itunes:block"`
	Image       rssImage    `xml:"itunes:image"`
	GUID        string      `xml:"podcast:guid"`
	Locked      string      `xml:"podcast:locked"`
	Items       []rssItem   `xml:"item"`
}

type rssSelf struct {
	Href string `xml:"href,attr"`
	Rel  string `xml:"rel,attr"`
	Type string `xml:"type,attr"`
}

type rssCategory struct {
	Text string `xml:"text,attr"`
}

type rssImage struct {
	Href string `xml:"href,attr"`
}

type rssItem struct {
	Title       string       `xml:"title"`
	Description string       `xml:"description"`
	Enclosure   rssEnclosure `xml:"enclosure"`
	GUID        rssGUID      `xml:"guid"`
	Published   string       `xml:"pubDate"`
	Author      string       `xml:"itunes:author,omitempty"`
	Duration    int64        `xml:"itunes:duration"` // seconds
	Explicit    bool         `xml:"itunes:explicit"`
	Block       string       `xml:"itunes:block"`
	Image       rssImage     `xml:"itunes:image"`
	Chapters    rssChapters  `xml:"podcast:chapters"`
}

type rssEnclosure struct {
	URL    string `xml:"url,attr"`
	Length int64  `xml:"length,attr"`
	Type   string `xml:"type,attr"`
}

type rssGUID struct {
	Permalink bool   `xml:"isPermaLink,attr"`
	ID        string `xml:",chardata"`
}

type rssChapters struct {
	URL  string `xml:"url,attr"`
	Type string `xml:"type,attr"`
}

const chaptersType = "application/json+chapters" // Podcasting 2.0

// feedXML returns the document of a feed. What identifies it and its items does not depend
// on the secret, so that apps recognize them after the feed was revoked and created again.
func feedXML(by string, f sx.Feed, secret string, items []feedItem, changed time.Time) ([]byte, error) {
	at := func(pattern string) string {
		return f.Server + strings.Replace(pattern, "{secret}", secret, 1)
	}
	doc := rss{
		Version: "2.0", Atom: "http://www.w3.org/2005/Atom",
		ITunes: "http://www.itunes.com/dtds/podcast-1.0.dtd", Podcast: "https://podcastindex.org/namespace/1.0",
		Channel: rssChannel{
			Title: f.Name, Link: f.Server + "/", Description: describeFeed(f), Language: "en",
			Self:  rssSelf{at(api.PathFeedXML), "self", "application/rss+xml"},
			Built: changed.UTC().Format(http.TimeFormat), Author: "SoundExtract", Type: "episodic",
			Category: rssCategory{"Education"}, Block: "Yes", Image: rssImage{at(api.PathFeedArtwork)},
			GUID: uuid.NewSHA1(podcastNamespace, []byte(by+"/"+f.Name)).String(), Locked: "yes",
		},
	}
	for _, i := range items {
		of := func(pattern string) string {
			return strings.NewReplacer("{job}", i.job.ID, "{number}", strconv.Itoa(i.track.Number)).Replace(at(pattern))
		}
		doc.Channel.Items = append(doc.Channel.Items, rssItem{
			Title: itemTitle(i.track), Description: sx.CleanLine(describeItem(i), maxFeedText),
			Enclosure: rssEnclosure{of(api.PathFeedTrack), i.track.Size, "audio/mpeg"},
			GUID:      rssGUID{ID: i.job.ID + "/" + strconv.Itoa(i.track.Number)},
			Published: published(i).UTC().Format(http.TimeFormat),
			Author:    sx.CleanLine(i.track.Artist, maxFeedText),
			Duration:  int64(i.track.Duration.Round(time.Second) / time.Second), Block: "Yes",
			Image:    rssImage{of(api.PathFeedCover)},
			Chapters: rssChapters{of(api.PathFeedChapters), chaptersType},
		})
	}
	out, err := xml.MarshalIndent(doc, "", " ")
	if err != nil {
		return nil, fmt.Errorf("write a feed: %w", err)
	}
	return append([]byte(xml.Header), append(out, '\n')...), nil
}

func describeFeed(f sx.Feed) string {
	text := "The newest MP3s"
	if f.Label != "" {
		text += " with the label " + f.Label
	}
	if f.Folder != "" {
		text += " of the folder " + f.Folder
	}
	return text
}

// itemTitle is the title of the MP3, or its name without directories if it has none.
func itemTitle(t sx.Track) string {
	title := t.Title
	if title == "" {
		title = strings.TrimSuffix(path.Base(t.Name), ".mp3")
	}
	return sx.CleanLine(title, maxFeedText)
}

func describeItem(i feedItem) string {
	text := "The sound of " + i.job.Sent.Name
	if i.track.Album != "" {
		text = i.track.Album + ": " + text
	}
	return text
}

// published is when the MP3 was finished. Apps sort by it, so those of one job are a second
// apart.
func published(i feedItem) time.Time {
	at := i.job.Ended
	if at.IsZero() {
		at = i.job.Created
	}
	return at.Add(time.Duration(i.track.Number-1) * time.Second)
}
