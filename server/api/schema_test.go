package api_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/soundextract/sx/server/api"
)

// bodies maps the types of package api to their schemas in the document: a name
// under components, "request" or "response" with the operation, or another schema
// with the property.
var bodies = []struct {
	body  any
	place string
}{
	{api.Credentials{}, "Credentials"},
	{api.Tokens{}, "Tokens"},
	{api.RefreshRequest{}, "request refresh"},
	{api.BrowserCode{}, "response createBrowserCode"},
	{api.BrowserSignIn{}, "request signInBrowser"},
	{api.BrowserSession{}, "BrowserSession"},
	{api.NewDevice{}, "response createDevice"},
	{api.DeviceToken{}, "request deviceTokens"},
	{api.Device{}, "response getDevice"},
	{api.DeviceDecision{}, "request decideDevice"},
	{api.OIDCRedirect{}, "response startOIDC"},
	{api.OIDCResponse{}, "request finishOIDC"},
	{api.PasswordProof{}, "request unbind"},
	{api.User{}, "User"},
	{api.Me{}, "Me"},
	{api.Credential{}, "Credential"},
	{api.Usage{}, "Usage"},
	{api.Limits{}, "Limits"},
	{api.LimitsEdit{}, "request editLimits"},
	{api.Account{}, "Account"},
	{api.PasswordChange{}, "request changePassword"},
	{api.NewToken{}, "request createToken"},
	{api.PersonalToken{}, "PersonalToken"},
	{api.CreatedToken{}, "response createToken"},
	{api.NewShare{}, "request createShare"},
	{api.Share{}, "Share"},
	{api.CreatedShare{}, "response createShare"},
	{api.NewFeed{}, "request createFeed"},
	{api.Feed{}, "Feed"},
	{api.CreatedFeed{}, "response createFeed"},
	{api.FeedList{}, "response listFeeds"},
	{api.NewInvitation{}, "request invite"},
	{api.Invitation{}, "response invite"},
	{api.Email{}, "request setEmail"},
	{api.Registration{}, "Registration"},
	{api.EmailCode{}, "request confirmEmail"},
	{api.NewWebhook{}, "request addWebhook"},
	{api.Webhook{}, "Webhook"},
	{api.CreatedWebhook{}, "response addWebhook"},
	{api.Delivery{}, "Delivery"},
	{api.WebhookEvent{}, "WebhookEvent"},
	{api.EventData{}, "WebhookEvent data"},
	{api.Deletion{}, "Deletion"},
	{api.Omitted{}, "Omitted"},
	{api.DeletedJob{}, "DeletedJob"},
	{api.JobEdit{}, "request editJob"},
	{api.Options{}, "Options"},
	{api.Sent{}, "Sent"},
	{api.Source{}, "Source"},
	{api.Lookup{}, "request lookupConversions"},
	{api.LookupItem{}, "LookupItem"},
	{api.LookupResult{}, "response lookupConversions"},
	{api.Conversion{}, "Conversion"},
	{api.ConvertedTrack{}, "ConvertedTrack"},
	{api.Track{}, "Track"},
	{api.Warning{}, "Warning"},
	{api.Health{}, "Health"},
	{api.ErrorBody{}, "ErrorBody"},
	{api.Error{}, "Error"},
	{api.Job{}, "Job"},
	{api.JobList{}, "JobList"},
	{api.Notify{}, "Notify"},
	{api.TokenList{}, "response listTokens"},
	{api.UserList{}, "response listUsers"},
	{api.ResetCode{}, "response resetPassword"},
	{api.Recovery{}, "request recover"},
	{api.AccountDeletion{}, "request deleteAccount"},
	{api.Erasure{}, "Erasure"},
	{api.AuditList{}, "response listAudit"},
	{api.AuditEntry{}, "AuditEntry"},
	{api.Upgrade{}, "Upgrade"},
	{api.Process{}, "Process"},
	{api.History{}, "History"},
	{api.Attempt{}, "Attempt"},
	{api.Owner{}, "Owner"},
	{api.AdminJob{}, "AdminJob"},
	{api.AdminJobList{}, "response listAllJobs"},
	{api.AccountUsage{}, "AccountUsage"},
	{api.AccountUsageList{}, "response listUsage"},
	{api.WorkQueue{}, "WorkQueue"},
	{api.StateBacklog{}, "StateBacklog"},
	{api.QueueMessages{}, "QueueMessages"},
	{api.DeliveryList{}, "response testNotify"},
	{api.ExchangeRequest{}, ""}, // internal, not documented
	{api.Exchanged{}, ""},       // likewise
	{api.ActiveRequest{}, ""},
	{api.Active{}, ""},
}

// neverSent lists fields of embedded types that are never sent.
var neverSent = []string{
	"CreatedWebhook.disabled", // a new webhook is not disabled
	"CreatedShare.used",       // a new link was not used
}

// TestSchemas checks that the document has exactly the fields of the types, and
// that those which may be absent, and no others, are optional.
func TestSchemas(t *testing.T) {
	t.Parallel()
	doc := document(t)
	var names []string
	for _, b := range bodies {
		kind := reflect.TypeOf(b.body)
		names = append(names, kind.Name())
		if b.place == "" {
			continue
		}
		schema := schemaAt(t, doc, b.place)
		var documented, required []string
		for name := range schema.Properties {
			documented = append(documented, name)
		}
		required = append(required, schema.Required...)
		fields, present := jsonFields(kind)
		fields = slices.DeleteFunc(fields, func(name string) bool { return slices.Contains(neverSent, kind.Name()+"."+name) })
		for what, lists := range map[string][2][]string{"fields": {fields, documented}, "required fields": {present, required}} {
			slices.Sort(lists[0])
			slices.Sort(lists[1])
			if !slices.Equal(lists[0], lists[1]) {
				t.Errorf("%s of api.%s:\n%v\nin the document (%s):\n%v", what, kind.Name(), lists[0], b.place, lists[1])
			}
		}
	}
	slices.Sort(names)
	if declared := declaredBodies(t); !slices.Equal(names, declared) {
		t.Errorf("package api has the bodies\n%v\nand this test\n%v", declared, names)
	}
}

func schemaAt(t *testing.T, doc *openapi3.T, place string) *openapi3.Schema {
	t.Helper()
	first, second, _ := strings.Cut(place, " ")
	var content openapi3.Content
	switch first {
	case "request":
		content = operation(t, doc, second).RequestBody.Value.Content
	case "response":
		for status, response := range operation(t, doc, second).Responses.Map() {
			if strings.HasPrefix(status, "2") {
				content = response.Value.Content
			}
		}
	default:
		ref := doc.Components.Schemas[first]
		if ref != nil && second != "" {
			ref = ref.Value.Properties[second]
		}
		if ref == nil {
			t.Fatalf("the document has no schema %s", place)
		}
		return ref.Value
	}
	media := content.Get("application/json")
	if media == nil {
		t.Fatalf("the document has no schema for the %s", place)
	}
	return media.Schema.Value
}

func operation(t *testing.T, doc *openapi3.T, id string) *openapi3.Operation {
	t.Helper()
	for _, path := range doc.Paths.Map() {
		for _, op := range path.Operations() {
			if op.OperationID == id {
				return op
			}
		}
	}
	t.Fatalf("the document has no operation %s", id)
	return nil
}

// jsonFields returns the names of a struct's fields in JSON, and which of them
// are always present.
func jsonFields(kind reflect.Type) (all, present []string) {
	for i := range kind.NumField() {
		f := kind.Field(i)
		if f.Anonymous {
			inner, innerPresent := jsonFields(f.Type)
			all, present = append(all, inner...), append(present, innerPresent...)
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		all = append(all, name)
		if options != "omitempty" {
			present = append(present, name)
		}
	}
	return all, present
}

// declaredBodies reads the names of the structs that have JSON tags.
func declaredBodies(t *testing.T) []string {
	t.Helper()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range file.Decls {
			general, ok := decl.(*ast.GenDecl)
			if !ok {
				continue
			}
			for _, spec := range general.Specs {
				if kind, ok := spec.(*ast.TypeSpec); ok && hasJSONTag(t, kind) {
					names = append(names, kind.Name.Name)
				}
			}
		}
	}
	slices.Sort(names)
	return names
}

func hasJSONTag(t *testing.T, kind *ast.TypeSpec) bool {
	t.Helper()
	body, ok := kind.Type.(*ast.StructType)
	if !ok {
		return false
	}
	return slices.ContainsFunc(body.Fields.List, func(f *ast.Field) bool {
		if f.Tag == nil {
			return false
		}
		tag, err := strconv.Unquote(f.Tag.Value)
		if err != nil {
			t.Fatal(err)
		}
		return reflect.StructTag(tag).Get("json") != ""
	})
}
