package storetest

import (
	"cmp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var conversionTests = []test{
	{"a record is stored completely", conversionKept},
	{"a record replaces that of the same source and options", conversionReplaced},
	{"Find returns the owner's records of sources and options", conversionFind},
	{"the oldest records are removed", conversionTrim},
	{"records are trimmed by their number of tracks", conversionTrimTracks},
}

const keepAll = 100

func conversion(owner, identity, options string, seconds int) sx.Conversion {
	return sx.Conversion{
		Owner: owner, Identity: identity, Options: options, Recorded: epoch.Add(time.Duration(seconds) * time.Second),
		Tracks: []sx.ConvertedTrack{{Number: 1, Size: int64(seconds + 100), SHA256: strings.Repeat("a", 64)}},
	}
}

// conversions checks the records of some identities with the options k.
func (f *fixture) conversions(owner string, identities []string, want ...sx.Conversion) {
	f.t.Helper()
	var keys []store.ConversionKey
	for _, identity := range identities {
		keys = append(keys, store.ConversionKey{Identity: identity, Options: "k"})
	}
	f.conversionsOf(owner, keys, want...)
}

func (f *fixture) conversionsOf(owner string, keys []store.ConversionKey, want ...sx.Conversion) {
	f.t.Helper()
	got, err := f.Conversions.Find(f.ctx, owner, keys)
	f.ok(err)
	order := func(a, b sx.Conversion) int {
		return cmp.Or(cmp.Compare(a.Identity, b.Identity), cmp.Compare(a.Options, b.Options))
	}
	slices.SortFunc(got, order)
	slices.SortFunc(want, order)
	same(f, got, want)
}

func conversionKept(f *fixture) {
	c := testkit.Filled[sx.Conversion](f.t)
	f.ok(f.Conversions.Put(f.ctx, c, keepAll))
	f.reopen()
	f.conversionsOf(c.Owner, []store.ConversionKey{{Identity: c.Identity, Options: c.Options}}, c)
}

func conversionReplaced(f *fixture) {
	f.ok(f.Conversions.Put(f.ctx, conversion("u1", "audio1:aa", "k", 0), keepAll))
	later := conversion("u1", "audio1:aa", "k", 7)
	later.Tracks = append(later.Tracks, sx.ConvertedTrack{Number: 2, Size: 9, SHA256: "bb"})
	f.ok(f.Conversions.Put(f.ctx, later, keepAll))
	f.conversions("u1", []string{"audio1:aa"}, later)
	f.ok(f.Conversions.Put(f.ctx, conversion("u1", "audio1:bb", "k", 8), 1))
	f.conversions("u1", []string{"audio1:aa"})
}

func conversionFind(f *fixture) {
	a, b := conversion("u1", "audio1:aa", "k", 0), conversion("u1", "audio1:aa", "l", 1)
	c, d := conversion("u1", "audio1:ab", "k", 2), conversion("u11", "audio1:aa", "k", 3)
	for _, v := range []sx.Conversion{a, b, c, d} {
		f.ok(f.Conversions.Put(f.ctx, v, keepAll))
	}
	f.conversions("u1", []string{"audio1:aa"}, a)
	f.conversions("u1", []string{"audio1:ab", "none", "audio1:aa"}, a, c)
	f.conversionsOf("u1", []store.ConversionKey{{Identity: "audio1:aa", Options: "l"}, {Identity: "audio1:ab", Options: "l"}, {Identity: "audio1:aa", Options: ""}}, b)
	f.conversions("u11", []string{"audio1:aa", "audio1:ab"}, d)
	f.conversions("u1", nil)
	f.conversions("u", []string{"audio1:aa"})
	f.conversions("u1", []string{"audio1:a"})
}

func conversionTrim(f *fixture) {
	f.ok(f.Conversions.Put(f.ctx, conversion("u2", "audio1:aa", "k", -50), keepAll))
	var identities []string
	for i := range 5 {
		identities = append(identities, "audio1:"+strconv.Itoa(i))
	}
	for _, i := range []int{3, 1, 4, 0, 2} {
		f.ok(f.Conversions.Put(f.ctx, conversion("u1", identities[i], "k", i), keepAll))
	}
	f.ok(f.Conversions.Put(f.ctx, conversion("u1", identities[1], "k", 9), 3)) // no longer the second
	f.conversions("u1", identities, conversion("u1", identities[3], "k", 3), conversion("u1", identities[4], "k", 4), conversion("u1", identities[1], "k", 9))
	f.conversions("u2", []string{"audio1:aa"}, conversion("u2", "audio1:aa", "k", -50))
}

func conversionTrimTracks(f *fixture) {
	identities := []string{"audio1:0", "audio1:1", "audio1:2"}
	for i, tracks := range []int{1, 3, 1} {
		c := conversion("u1", identities[i], "k", i)
		c.Tracks = slices.Repeat(c.Tracks, tracks)
		f.ok(f.Conversions.Put(f.ctx, c, 4))
	}
	middle := conversion("u1", identities[1], "k", 1)
	middle.Tracks = slices.Repeat(middle.Tracks, 3)
	f.conversions("u1", identities, middle, conversion("u1", identities[2], "k", 2))
}
