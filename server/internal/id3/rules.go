package id3

// kind says how the values of a tag are read and written.
type kind int

const (
	line    kind = iota // one line
	list                // several values
	genre               // several values, with references to ID3v1's genres
	date                // a timestamp, see cleanDate
	number              // a position, and possibly a total: 7/9
	beats               // beats per minute
	flag                // 1 if true, else absent
	lang                // languages, as ISO 639-2 codes
	comment             // COMM
	lyrics              // USLT
	link                // a URL
	role                // a person in TIPL; the rule's ID is the involvement
	podcast             // PCST
	user                // TXXX; the rule's ID is the description
	gain                // TXXX, valid only for the very samples that were measured
)

// rule says which frame a tag becomes.
type rule struct {
	id   string
	kind kind
	// names are the tag's names in the containers, normalized by normalize; the first
	// one that a source has is used.
	names []string
	// totals are the names of a number's total.
	totals []string
}

// rules is the list of tags to keep, in the order of the frames in the tag. A tag is on
// it if it says what the recording is, who made it, or how to sort and find it. Tags on
// where, when and with what the file was made are not, nor those on the container.
var rules = []rule{
	{"TIT2", line, []string{"title", "inam"}, nil},
	{"TPE1", list, []string{"artist", "author", "leadperformer", "performer", "performers", "iart"}, nil},
	{"TALB", line, []string{"album", "albumtitle"}, nil},
	{"TPE2", list, []string{"albumartist", "ensemble", "band", "orchestra", "accompaniment"}, nil},
	{"TRCK", number, []string{"track", "tracknumber", "partnumber"}, []string{"tracktotal", "totaltracks", "totalparts"}},
	{"TPOS", number, []string{"disc", "discnumber", "disk", "partofset"}, []string{"disctotal", "totaldiscs"}},
	{"TDRC", date, []string{"date", "year", "daterecorded", "recordingdate", "recordingtime", "quicktimecreationdate"}, nil},
	{"TDRL", date, []string{"releasedate", "datereleased", "releasetime"}, nil},
	{"TDOR", date, []string{"originaldate", "originalyear", "originalreleasedate", "originalreleasetime", "originalreleaseyear"}, nil},
	{"TCON", genre, []string{"genre"}, nil},
	{"TCOM", list, []string{"composer"}, nil},
	{"TEXT", list, []string{"lyricist", "writer", "writtenby"}, nil},
	{"TPE3", list, []string{"conductor"}, nil},
	{"TPE4", list, []string{"remixer", "remixedby", "mixartist", "modifiedby", "interpretedby"}, nil},
	{"TIT1", line, []string{"grouping", "contentgroup", "contentgroupdescription"}, nil},
	{"TIT3", line, []string{"subtitle"}, nil},
	{"TSST", line, []string{"discsubtitle", "setsubtitle"}, nil},
	{"TOPE", list, []string{"originalartist"}, nil},
	{"TOAL", line, []string{"originalalbum"}, nil},
	{"TOLY", list, []string{"originallyricist"}, nil},
	{"TCMP", flag, []string{"compilation", "iscompilation"}, nil},
	{"TBPM", beats, []string{"bpm", "beatsperminute", "tmpo", "tempo"}, nil},
	{"TKEY", line, []string{"initialkey", "key"}, nil},
	{"TMOO", list, []string{"mood"}, nil},
	{"TMED", line, []string{"media", "sourcemedia"}, nil},
	{"TLAN", lang, []string{"language"}, nil},
	{"TCOP", line, []string{"copyright"}, nil},
	{"TPRO", line, []string{"producednotice"}, nil},
	{"TPUB", list, []string{"publisher", "label", "recordlabel", "organization", "organisation", "network"}, nil},
	{"TRSN", line, []string{"radiostation", "servicename"}, nil},
	{"TSRC", line, []string{"isrc"}, nil},
	{"TSOT", line, []string{"sortname", "titlesort", "titlesortorder", "sorttitle"}, nil},
	{"TSOP", line, []string{"sortartist", "artistsort", "artistsortorder", "performersortorder"}, nil},
	{"TSOA", line, []string{"sortalbum", "albumsort", "albumsortorder"}, nil},
	{"TSO2", line, []string{"sortalbumartist", "albumartistsort", "albumartistsortorder"}, nil},
	{"TSOC", line, []string{"sortcomposer", "composersort", "composersortorder"}, nil},
	{"arranger", role, []string{"arranger"}, nil},
	{"director", role, []string{"director"}, nil},
	{"DJ-mix", role, []string{"djmixer"}, nil},
	{"engineer", role, []string{"engineer"}, nil},
	{"mix", role, []string{"mixer"}, nil},
	{"producer", role, []string{"producer"}, nil},
	{"", comment, []string{"comment", "comments"}, nil},
	{"description", comment, []string{"description", "longdescription"}, nil},
	{"synopsis", comment, []string{"synopsis", "summary"}, nil},
	{"", lyrics, []string{"lyrics", "unsyncedlyrics", "unsynchronisedlyrics", "unsynchronizedlyrics", "uslt"}, nil},
	{"PCST", podcast, []string{"podcast", "itunespodcast"}, nil},
	{"TCAT", line, []string{"category", "podcastcategory"}, nil},
	{"TDES", line, []string{"podcastdesc", "podcastdescription"}, nil},
	{"TGID", line, []string{"episodeuid", "podcastid", "podcastguid"}, nil},
	{"TKWD", line, []string{"keywords", "podcastkeywords"}, nil},
	{"WFED", link, []string{"podcasturl", "feedurl"}, nil},
	{"WOAS", link, []string{"purl", "audiosourceurl", "url", "weblink"}, nil},
	{"WOAF", link, []string{"audiofileurl"}, nil},
	{"WOAR", link, []string{"authorurl", "artisturl", "website"}, nil},
	{"WCOM", link, []string{"commercialurl", "promotionurl"}, nil},
	{"WCOP", link, []string{"license", "licence", "licenseurl", "copyrighturl"}, nil},
	{"WPUB", link, []string{"publisherurl"}, nil},
	{"ARTISTS", user, []string{"artists"}, nil},
	{"ASIN", user, []string{"asin"}, nil},
	{"BARCODE", user, []string{"barcode", "upc", "ean"}, nil},
	{"CATALOGNUMBER", user, []string{"catalognumber", "catalogno"}, nil},
	{"EPISODE", user, []string{"episodesort", "episode", "episodenumber"}, nil},
	{"EPISODE_ID", user, []string{"episodeid"}, nil},
	{"SEASON", user, []string{"seasonnumber", "season"}, nil},
	{"SHOW", user, []string{"show", "tvshow"}, nil},
	{"SHOWSORT", user, []string{"sortshow", "showsort"}, nil},
	{"WORK", user, []string{"work"}, nil},
	{"Acoustid Id", user, []string{"acoustidid"}, nil},
	{"MusicBrainz Album Artist Id", user, []string{"musicbrainzalbumartistid"}, nil},
	{"MusicBrainz Album Id", user, []string{"musicbrainzalbumid"}, nil},
	{"MusicBrainz Album Release Country", user, []string{"musicbrainzalbumreleasecountry", "releasecountry"}, nil},
	{"MusicBrainz Album Status", user, []string{"musicbrainzalbumstatus", "releasestatus"}, nil},
	{"MusicBrainz Album Type", user, []string{"musicbrainzalbumtype", "releasetype"}, nil},
	{"MusicBrainz Artist Id", user, []string{"musicbrainzartistid"}, nil},
	{"MusicBrainz Release Group Id", user, []string{"musicbrainzreleasegroupid"}, nil},
	{"MusicBrainz Release Track Id", user, []string{"musicbrainzreleasetrackid"}, nil},
	{"MusicBrainz Track Id", user, []string{"musicbrainztrackid"}, nil},
	{"MusicBrainz Work Id", user, []string{"musicbrainzworkid"}, nil},
	{"REPLAYGAIN_ALBUM_GAIN", gain, []string{"replaygainalbumgain"}, nil},
	{"REPLAYGAIN_ALBUM_PEAK", gain, []string{"replaygainalbumpeak"}, nil},
	{"REPLAYGAIN_REFERENCE_LOUDNESS", gain, []string{"replaygainreferenceloudness"}, nil},
	{"REPLAYGAIN_TRACK_GAIN", gain, []string{"replaygaintrackgain"}, nil},
	{"REPLAYGAIN_TRACK_PEAK", gain, []string{"replaygaintrackpeak"}, nil},
}

// frame returns the frame that the rule fills, without values.
func (r *rule) frame() Frame {
	switch r.kind {
	case comment:
		return Frame{ID: "COMM", Description: r.id}
	case lyrics:
		return Frame{ID: "USLT", Description: r.id}
	case role:
		return Frame{ID: "TIPL"}
	case user, gain:
		return Frame{ID: "TXXX", Description: r.id}
	default:
		return Frame{ID: r.id}
	}
}

// misleading are further tags that players apply to the audio, which is no longer the
// one that they describe. They are left out even if all tags are kept, unless the audio
// is copied.
var misleading = map[string]bool{
	"itunnorm": true, "itunsmpb": true, "itunpgap": true, "gaplessplayback": true,
	"r128albumgain": true, "r128trackgain": true, "mp3gainminmax": true, "mp3gainundo": true,
	"replaygainalbumrange": true, "replaygaintrackrange": true,
}

// musicBrainz is the owner of the UFID frame with MusicBrainz' ID of the recording.
const musicBrainz = "http://musicbrainz.org"

// outdated are frames that describe the file, its position in a stream, or bytes in it;
// they would be wrong in another file.
var outdated = map[string]bool{
	"AENC": true, "APIC": true, "ASPI": true, "CHAP": true, "CTOC": true, "ENCR": true, "EQU2": true, "EQUA": true,
	"ETCO": true, "GRID": true, "LINK": true, "MLLT": true, "POSS": true, "RBUF": true, "RVA2": true, "RVAD": true,
	"SEEK": true, "SIGN": true, "SYLT": true, "SYTC": true, "TDAT": true, "TDLY": true, "TIME": true, "TLEN": true,
	"TRDA": true, "TSIZ": true,
}

var (
	ruleOf   = map[string]*rule{} // by name
	frameOf  = map[string]*rule{} // by the ID of a frame with values
	position = map[string]int{}   // of frames in the tag, by ID
)

func init() {
	for i := range rules {
		r := &rules[i]
		for _, name := range r.names {
			ruleOf[name] = r
		}
		switch r.kind {
		case comment, lyrics, role, user, gain:
		default:
			frameOf[r.id] = r
			position[r.id] = i
		}
	}
	for i, id := range []string{"TIPL", "TMCL", "COMM", "USLT", "UFID", "WXXX", "TXXX"} {
		position[id] = len(rules) + i
	}
}
