package storetest

import (
	"bytes"
	"slices"
	"strconv"
	"time"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

var notificationSettingsTests = []test{
	{"notification settings are stored completely", settingsKept},
	{"a user without settings has empty ones", settingsAbsent},
	{"Replace is a compare-and-set", settingsReplace},
	{"one of several concurrent first Replaces succeeds", settingsFirstRace},
	{"one of several concurrent changes succeeds", settingsRace},
}

var deliveryTests = []test{
	{"a delivery is stored completely", deliveryKept},
	{"an absent delivery is not found", deliveryAbsent},
	{"one of several concurrent claims succeeds", deliveryRace},
	{"Due returns what is pending and due, by due time", deliveriesDue},
	{"Due passes over what is busy", busyDeliveries},
	{"Due returns few large deliveries at a time", largeDeliveriesDue},
	{"List returns the user's own, newest first, without payloads", deliveryList},
	{"settled deliveries are deleted, others are not", deliveriesDelete},
	{"a user's oldest deliveries are found and removed", deliveriesBeyond},
}

func settingsKept(f *fixture) {
	v := testkit.Filled[sx.NotificationSettings](f.t)
	w := testkit.Filled[sx.Webhook](f.t)
	w.Secret = []byte{0, 1, 0xff}
	v.Webhooks = []sx.Webhook{w, {ID: "w2", URL: "https://b.example", Secret: []byte{2}, Created: epoch}}
	v.Rev = 0
	f.ok(f.NotificationSettings.Replace(f.ctx, v))
	f.reopen()
	got, err := f.NotificationSettings.Get(f.ctx, v.UserID)
	f.ok(err)
	v.Rev = 1
	same(f, got, v)
}

func settingsAbsent(f *fixture) {
	got, err := f.NotificationSettings.Get(f.ctx, "u1")
	f.ok(err)
	same(f, got, sx.NotificationSettings{UserID: "u1"})
	f.stale(f.NotificationSettings.Replace(f.ctx, sx.NotificationSettings{UserID: "u1", Rev: 1}))
}

func settingsReplace(f *fixture) {
	first := sx.NotificationSettings{UserID: "u1", Email: "a@example.org"}
	f.ok(f.NotificationSettings.Replace(f.ctx, first))
	f.stale(f.NotificationSettings.Replace(f.ctx, first))
	second := sx.NotificationSettings{UserID: "u1", Email: "b@example.org", Rev: 1}
	f.ok(f.NotificationSettings.Replace(f.ctx, second))
	f.stale(f.NotificationSettings.Replace(f.ctx, second))
	got, err := f.NotificationSettings.Get(f.ctx, "u1")
	f.ok(err)
	second.Rev = 2
	same(f, got, second)
}

func settingsFirstRace(f *fixture) {
	race(f, nothing, func(round, _ int) error {
		return f.NotificationSettings.Replace(f.ctx, sx.NotificationSettings{UserID: string(rune('a' + round))})
	})
}

func settingsRace(f *fixture) {
	f.ok(f.NotificationSettings.Replace(f.ctx, sx.NotificationSettings{UserID: "u1"}))
	race(f, nothing, func(round, _ int) error {
		return f.NotificationSettings.Replace(f.ctx, sx.NotificationSettings{UserID: "u1", Rev: int64(round + 1)})
	})
}

func delivery(id, user string, state sx.DeliveryState, seconds int) sx.Delivery {
	at := epoch.Add(time.Duration(seconds) * time.Second)
	return sx.Delivery{
		ID: id, UserID: user, Event: sx.EventTest, Channel: sx.ChannelWebhook,
		State: state, Due: at, Created: at, Updated: at,
	}
}

func deliveryKept(f *fixture) {
	v := testkit.Filled[sx.Delivery](f.t)
	v.Payload = []byte{0, '{', 0xff}
	f.ok(f.Deliveries.Create(f.ctx, v))
	f.code(f.Deliveries.Create(f.ctx, v), sx.CodeConflict)
	f.reopen()
	v.Rev = 1
	got, err := f.Deliveries.Get(f.ctx, v.ID)
	f.ok(err)
	same(f, got, v)
	v.Tries++
	v.Payload = nil
	f.ok(f.Deliveries.Replace(f.ctx, v))
	f.stale(f.Deliveries.Replace(f.ctx, v))
	v.Rev = 2
	got, err = f.Deliveries.Get(f.ctx, v.ID)
	f.ok(err)
	same(f, got, v)
}

func deliveryAbsent(f *fixture) {
	_, err := f.Deliveries.Get(f.ctx, "none")
	f.code(err, sx.CodeNotFound)
	f.code(f.Deliveries.Replace(f.ctx, delivery("none", "u1", sx.DeliveryPending, 0)), sx.CodeNotFound)
	f.due(epoch, 10)
}

func deliveryRace(f *fixture) {
	f.ok(f.Deliveries.Create(f.ctx, delivery("d1", "u1", sx.DeliveryPending, 0)))
	race(f, nothing, func(round, _ int) error {
		v := delivery("d1", "u1", sx.DeliveryPending, round)
		v.Rev = int64(round + 1)
		return f.Deliveries.Replace(f.ctx, v)
	})
	f.due(epoch.Add(time.Hour), 10, "d1")
}

// due checks the IDs of the deliveries that are due.
func (f *fixture) due(now time.Time, limit int, want ...string) {
	f.t.Helper()
	list, _, err := f.Deliveries.Due(f.ctx, now, store.Busy{}, limit)
	f.ok(err)
	if got := deliveryIDs(list); !slices.Equal(got, want) {
		f.t.Errorf("%v are due, want %v", got, want)
	}
}

func busyDeliveries(f *fixture) {
	for i, of := range []struct {
		user, webhook string
		channel       sx.Channel
	}{
		{"u1", "w1", sx.ChannelWebhook},
		{"u1", "w2", sx.ChannelWebhook},
		{"u1", "", sx.ChannelEmail},
		{"u11", "w3", sx.ChannelWebhook},
		{"u11", "", sx.ChannelEmail},
	} {
		v := delivery("d"+strconv.Itoa(i), of.user, sx.DeliveryPending, i-10)
		v.WebhookID, v.Channel = of.webhook, of.channel
		f.ok(f.Deliveries.Create(f.ctx, v))
	}
	later := delivery("later", "u1", sx.DeliveryPending, 10)
	later.WebhookID = "w4"
	f.ok(f.Deliveries.Create(f.ctx, later))
	for _, c := range []struct {
		busy store.Busy
		want []string
	}{
		{store.Busy{Queues: []string{"u1/w1", "u1/email"}}, []string{"d1", "d3", "d4"}},
		{store.Busy{Queues: []string{"u11/w1"}}, []string{"d0", "d1", "d2", "d3", "d4"}},
		{store.Busy{Users: []string{"u1"}}, []string{"d3", "d4"}},
		{store.Busy{Users: []string{"u1"}, Queues: []string{"u11/w3"}}, []string{"d4"}},
		{store.Busy{Email: true}, []string{"d0", "d1", "d3"}},
		{store.Busy{Users: []string{"u11"}, Queues: []string{"u1/w2"}, Email: true}, []string{"d0"}},
	} {
		list, more, err := f.Deliveries.Due(f.ctx, epoch, c.busy, 10)
		f.ok(err)
		if got := deliveryIDs(list); !slices.Equal(got, c.want) || more {
			f.t.Errorf("with %+v: %v are due, more: %t; want %v", c.busy, got, more, c.want)
		}
		list, more, err = f.Deliveries.Due(f.ctx, epoch, c.busy, len(c.want)-1)
		f.ok(err)
		if len(list) > len(c.want)-1 && len(c.want) > 1 || !more {
			f.t.Errorf("with %+v, a page has %d deliveries, more: %t", c.busy, len(list), more)
		}
	}
}

func largeDeliveriesDue(f *fixture) {
	for id, size := range map[string]int{"d1": store.MaxPageBytes + 1, "d2": store.MaxPageBytes / 3, "d3": store.MaxPageBytes / 3, "d4": store.MaxPageBytes / 3} {
		v := delivery(id, "u1", sx.DeliveryPending, 0)
		v.Payload = bytes.Repeat([]byte{'a'}, size)
		f.ok(f.Deliveries.Create(f.ctx, v))
	}
	f.ok(f.Deliveries.Create(f.ctx, delivery("d5", "u1", sx.DeliveryPending, 1)))
	for left := 4; left > 0; {
		list, more, err := f.Deliveries.Due(f.ctx, epoch, store.Busy{}, 10)
		f.ok(err)
		size := 0
		for _, v := range list {
			size += len(v.Payload)
			v.Due = epoch.Add(time.Minute)
			f.ok(f.Deliveries.Replace(f.ctx, v))
		}
		left -= len(list)
		if len(list) == 0 || len(list) > 1 && size > store.MaxPageBytes || more != (left > 0) {
			f.t.Fatalf("%d deliveries of %d bytes, %d left, more: %t", len(list), size, left, more)
		}
	}
}

func deliveryIDs(list []sx.Delivery) (ids []string) {
	for _, v := range list {
		ids = append(ids, v.ID)
	}
	return ids
}

func deliveriesDue(f *fixture) {
	for _, v := range []sx.Delivery{
		delivery("d4", "u1", sx.DeliveryPending, 0), delivery("d3", "u2", sx.DeliveryPending, 0),
		delivery("d2", "u1", sx.DeliveryPending, -1), delivery("d1", "u1", sx.DeliveryPending, 1),
		delivery("d5", "u1", sx.DeliveryDelivered, -1), delivery("d6", "u1", sx.DeliveryFailed, -1),
	} {
		f.ok(f.Deliveries.Create(f.ctx, v))
	}
	f.due(epoch, 10, "d2", "d3", "d4")
	f.due(epoch, 2, "d2", "d3")
	f.due(epoch.Add(time.Second), 10, "d2", "d3", "d4", "d1")

	later := delivery("d2", "u1", sx.DeliveryPending, 30)
	later.Rev = 1
	f.ok(f.Deliveries.Replace(f.ctx, later))
	over := delivery("d3", "u2", sx.DeliveryDelivered, 0)
	over.Rev = 1
	f.ok(f.Deliveries.Replace(f.ctx, over))
	f.reopen()
	f.due(epoch, 10, "d4")
	f.due(epoch.Add(time.Minute), 10, "d4", "d1", "d2")
}

func deliveryList(f *fixture) {
	for _, v := range []sx.Delivery{
		delivery("d1", "u1", sx.DeliveryPending, 0), delivery("d2", "u1", sx.DeliveryFailed, 0),
		delivery("d0", "u1", sx.DeliveryDelivered, 5), delivery("d3", "u11", sx.DeliveryPending, 1),
	} {
		v.Payload = []byte("{}")
		v.LastError, v.Target = `"Payload":"`, `","Payload":"x","`
		f.ok(f.Deliveries.Create(f.ctx, v))
	}
	for limit, want := range map[int][]string{10: {"d0", "d2", "d1"}, 2: {"d0", "d2"}} {
		list, next, err := f.Deliveries.List(f.ctx, "u1", nil, limit)
		f.ok(err)
		if got := deliveryIDs(list); !slices.Equal(got, want) || (next != nil) != (len(want) < 3) {
			f.t.Errorf("with limit %d: %v, then %v; want %v", limit, got, next, want)
		}
		for _, v := range list {
			if len(v.Payload) > 0 {
				f.t.Errorf("%s has a payload", v.ID)
			}
			if v.LastError != `"Payload":"` || v.Target != `","Payload":"x","` {
				f.t.Errorf("%s is %+v", v.ID, v)
			}
		}
	}
	var got []string
	for after, page := (*store.Cursor)(nil), 0; page < 4; page++ {
		list, next, err := f.Deliveries.List(f.ctx, "u1", after, 1)
		f.ok(err)
		got = append(got, deliveryIDs(list)...)
		if after = next; next == nil {
			break
		}
	}
	if want := []string{"d0", "d2", "d1"}; !slices.Equal(got, want) {
		f.t.Errorf("one by one: %v, want %v", got, want)
	}
}

func deliveriesBeyond(f *fixture) {
	for i, state := range []sx.DeliveryState{
		sx.DeliveryPending, sx.DeliveryFailed, sx.DeliveryPending, sx.DeliveryDelivered, sx.DeliveryPending, sx.DeliveryDelivered,
	} {
		v := delivery("d"+strconv.Itoa(i), "u1", sx.DeliveryPending, i)
		v.Payload = []byte("{}")
		f.ok(f.Deliveries.Create(f.ctx, v))
		v.State, v.Rev = state, 1
		f.ok(f.Deliveries.Replace(f.ctx, v))
	}
	other := delivery("other", "u11", sx.DeliveryPending, -1)
	f.ok(f.Deliveries.Create(f.ctx, other))
	other.Rev, other.State = 1, sx.DeliveryFailed
	f.ok(f.Deliveries.Replace(f.ctx, other))
	for keep, want := range map[int][]string{0: {"d0", "d2", "d4"}, 1: {"d0", "d2"}, 2: {"d0"}, 3: nil} {
		list, err := f.Deliveries.Surplus(f.ctx, "u1", keep)
		f.ok(err)
		if got := slices.Sorted(slices.Values(deliveryIDs(list))); !slices.Equal(got, want) {
			f.t.Errorf("beyond %d, %v are pending, want %v", keep, got, want)
		}
		for _, v := range list {
			if string(v.Payload) != "{}" || v.Rev != 2 {
				f.t.Errorf("%s is incomplete: %+v", v.ID, v)
			}
		}
	}
	for _, c := range []struct {
		keep int
		want []string
	}{{3, []string{"d5", "d4", "d3", "d2", "d1", "d0"}}, {1, []string{"d5", "d4", "d2", "d0"}}} {
		f.ok(f.Deliveries.TrimSettled(f.ctx, "u1", c.keep))
		list, _, err := f.Deliveries.List(f.ctx, "u1", nil, 10)
		f.ok(err)
		if got := deliveryIDs(list); !slices.Equal(got, c.want) {
			f.t.Errorf("with %d settled ones, %v are left, want %v", c.keep, got, c.want)
		}
	}
	if _, err := f.Deliveries.Get(f.ctx, "other"); err != nil {
		f.t.Errorf("another user's delivery: %v", err)
	}
}

func deliveriesDelete(f *fixture) {
	for _, v := range []sx.Delivery{
		delivery("old", "u1", sx.DeliveryDelivered, -1), delivery("failed", "u1", sx.DeliveryFailed, -1),
		delivery("pending", "u1", sx.DeliveryPending, -1), delivery("new", "u1", sx.DeliveryDelivered, 0),
	} {
		f.ok(f.Deliveries.Create(f.ctx, v))
	}
	f.ok(f.Deliveries.DeleteSettled(f.ctx, epoch))
	list, _, err := f.Deliveries.List(f.ctx, "u1", nil, 10)
	f.ok(err)
	if got, want := deliveryIDs(list), []string{"new", "pending"}; !slices.Equal(got, want) {
		f.t.Errorf("%v are left, want %v", got, want)
	}
}
