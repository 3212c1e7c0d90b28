package mongostore

import (
	"reflect"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.mongodb.org/mongo-driver/v2/bson"

	"github.com/soundextract/sx/server/internal/store"
	"github.com/soundextract/sx/server/sx"
	"github.com/soundextract/sx/server/testkit"
)

// TestMappings checks that no field is lost on the way to BSON and back.
func TestMappings(t *testing.T) {
	t.Parallel()
	t.Run("job", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Job](t)
		checkMapping(t, v, newJobDoc(v, v.Rev), jobDoc.job)
	})
	t.Run("user", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.User](t)
		checkMapping(t, v, newUserDoc(v, v.Rev), userDoc.user)
	})
	t.Run("session", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Session](t)
		checkMapping(t, v, newSessionDoc(v, v.Rev), sessionDoc.session)
	})
	t.Run("invitation", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Invitation](t)
		checkMapping(t, v, newInvitationDoc(v, v.Rev), invitationDoc.invitation)
	})
	t.Run("personal token", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.PersonalToken](t)
		checkMapping(t, v, tokenDoc(v), func(d tokenDoc) sx.PersonalToken { return sx.PersonalToken(d) })
	})
	t.Run("audit entry", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.AuditEntry](t)
		checkMapping(t, v, auditDoc(v), func(d auditDoc) sx.AuditEntry { return sx.AuditEntry(d) })
	})
	t.Run("notification settings", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.NotificationSettings](t)
		checkMapping(t, v, newNotificationSettingsDoc(v, v.Rev), notificationSettingsDoc.settings)
	})
	t.Run("conversion", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Conversion](t)
		checkMapping(t, v, newConversionDoc(v), conversionDoc.conversion)
	})
	t.Run("idempotency key", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.IdempotencyKey](t)
		checkMapping(t, v, newKeyDoc(v, v.Rev), keyDoc.idempotencyKey)
	})
	t.Run("feeds", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Feeds](t)
		checkMapping(t, v, newFeedsDoc(v, v.Rev), feedsDoc.feeds)
	})
	t.Run("binding", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Binding](t)
		checkMapping(t, v, newBindingDoc(v, v.Rev), bindingDoc.binding)
	})
	t.Run("task", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[store.Task](t)
		checkMapping(t, v, newTaskDoc(v, v.Rev), taskDoc.task)
	})
	t.Run("limits", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Limits](t)
		checkMapping(t, v, newLimitsDoc(v, v.Rev), limitsDoc.limits)
	})
	t.Run("erasure", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Erasure](t)
		checkMapping(t, v, newErasureDoc(v, v.Rev), erasureDoc.erasure)
	})
	t.Run("delivery", func(t *testing.T) {
		t.Parallel()
		v := testkit.Filled[sx.Delivery](t)
		checkMapping(t, v, newDeliveryDoc(v, v.Rev), deliveryDoc.delivery)
	})
}

func checkMapping[V, D any](t *testing.T, v V, d D, back func(D) V) {
	t.Helper()
	raw, err := bson.Marshal(d)
	if err != nil {
		t.Fatal(err)
	}
	var read D
	if err := bson.Unmarshal(raw, &read); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(v, back(read), cmpopts.IgnoreUnexported(sx.Error{})); diff != "" {
		t.Errorf("changed by the mapping (-want +got):\n%s", diff)
	}
}

// TestUploadMapping checks that a store.Upload has no field that is not set
// from the stored document.
func TestUploadMapping(t *testing.T) {
	t.Parallel()
	upload := reflect.ValueOf(testkit.Filled[uploadDoc](t).upload())
	for i := range upload.NumField() {
		if upload.Field(i).IsZero() {
			t.Errorf("%s.%s is not set", reflect.TypeFor[store.Upload](), upload.Type().Field(i).Name)
		}
	}
}
