package api_test

import (
	"fmt"
	"maps"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"

	"github.com/soundextract/sx/server/sx"
)

// TestDocumentIsValid checks the document against OpenAPI's own schema, and its examples
// against theirs.
func TestDocumentIsValid(t *testing.T) {
	t.Parallel()
	if err := document(t).Validate(t.Context(), openapi3.EnableExamplesValidation(), openapi3.EnableSchemaFormatValidation()); err != nil {
		t.Error(err)
	}
}

// TestOperations checks our own rules for the descriptions, examples and errors of
// operations.
func TestOperations(t *testing.T) {
	t.Parallel()
	doc := document(t)
	known := map[string]string{}
	for _, path := range slices.Sorted(maps.Keys(doc.Paths.Map())) {
		item := doc.Paths.Value(path)
		for method, op := range item.Operations() {
			name := method + " " + path
			for _, problem := range append(checkTexts(doc, op), append(checkExamples(op), checkErrors(path, op, item)...)...) {
				t.Errorf("%s: %s", name, problem)
			}
			if other, ok := known[op.OperationID]; ok {
				t.Errorf("%s has the operationId of %s", name, other)
			}
			known[op.OperationID] = name
		}
	}
}

var operationID = regexp.MustCompile(`^[a-z][A-Za-z]+$`)

func checkTexts(doc *openapi3.T, op *openapi3.Operation) (problems []string) {
	if !operationID.MatchString(op.OperationID) {
		problems = append(problems, "no operationId")
	}
	if op.Summary == "" || strings.HasSuffix(op.Summary, ".") || len(op.Summary) > 100 {
		problems = append(problems, fmt.Sprintf("the summary is %q, not a line without a full stop", op.Summary))
	}
	if len(op.Tags) != 1 || doc.Tags.Get(op.Tags[0]) == nil {
		problems = append(problems, fmt.Sprintf("the tags %v are not one that the document explains", op.Tags))
	}
	return problems
}

// checkExamples requires an example of each JSON body.
func checkExamples(op *openapi3.Operation) (problems []string) {
	check := func(what string, content openapi3.Content) {
		media := content.Get("application/json")
		if media != nil && media.Example == nil && media.Schema.Value.Example == nil {
			problems = append(problems, what+" has no example")
		}
	}
	if op.RequestBody != nil {
		check("the request", op.RequestBody.Value.Content)
	}
	for status, response := range op.Responses.Map() {
		check("the response "+status, response.Value.Content)
	}
	return problems
}

// codes matches the codes at the beginning of sentences in the description of an error.
var codes = regexp.MustCompile(`(?:^|[.,] )([a-z_]+)(?:, ([a-z_]+))?:`)

// checkErrors checks that the operation lists the errors that follow from what it takes, and
// that the codes of each listed error have its status.
func checkErrors(path string, op *openapi3.Operation, item *openapi3.PathItem) (problems []string) {
	responses := op.Responses.Map()
	require := func(because string, statuses ...int) {
		for _, status := range statuses {
			if responses[strconv.Itoa(status)] == nil {
				problems = append(problems, fmt.Sprintf("%s, but the response %d is not listed", because, status))
			}
		}
	}
	if responses["default"] == nil && strings.HasPrefix(path, "/v1/") {
		problems = append(problems, "no default response")
	}
	if op.Security == nil || len(*op.Security) > 0 {
		require("it needs a token", http.StatusUnauthorized)
	}
	if strings.Contains(path, "{") {
		require("it names a resource", http.StatusNotFound)
	}
	if op.RequestBody != nil {
		require("it has a body", http.StatusBadRequest)
	}
	if strings.HasPrefix(path, "/v1/admin/") {
		require("it is for administrators", http.StatusForbidden)
	}
	for _, p := range append(op.Parameters, item.Parameters...) {
		if p.Value.In == openapi3.ParameterInQuery {
			require("it has a query", http.StatusBadRequest)
		}
	}
	for status, response := range responses {
		number, _ := strconv.Atoi(status)
		media := response.Value.Content.Get("application/json")
		if number < http.StatusBadRequest || media == nil || media.Schema.Ref != "#/components/schemas/ErrorBody" {
			continue
		}
		listed := codesIn(*response.Value.Description)
		if example := exampleCode(media); !slices.Contains(listed, example) {
			problems = append(problems, fmt.Sprintf("the example of the response %s has the code %q, which its description does not name", status, example))
		}
		for _, code := range listed {
			tus := code == sx.CodeInvalid && slices.Contains(tusStatuses, number)
			if !slices.Contains(sx.Codes(), code) || !tus && code.Status() != number {
				problems = append(problems, fmt.Sprintf("the response %s names the code %s, which has the status %d", status, code, code.Status()))
			}
		}
	}
	return problems
}

// tusStatuses are those that tus requires for requests that are invalid.
var tusStatuses = []int{http.StatusPreconditionFailed, http.StatusRequestEntityTooLarge}

func exampleCode(media *openapi3.MediaType) sx.Code {
	body, _ := media.Example.(map[string]any)
	e, _ := body["error"].(map[string]any)
	code, _ := e["code"].(string)
	return sx.Code(code)
}

func codesIn(description string) (list []sx.Code) {
	for _, match := range codes.FindAllStringSubmatch(description, -1) {
		for _, code := range match[1:] {
			if code != "" {
				list = append(list, sx.Code(code))
			}
		}
	}
	return list
}
