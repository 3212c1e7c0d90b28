package chart

import (
	"regexp"
	"strings"

	"github.com/soundextract/sx/server/sx"
)

// refused is what Helm says before it lists what the schema does not allow.
const refused = "values don't meet the specifications of the schema"

var at = regexp.MustCompile(`(?m)^- at '([^']*)': (.*)$`)

// Refusal makes an *sx.Error of code invalid of what Helm says when the values do
// not keep to the schema, in one line that names each of them. Any other error,
// and nil, is given back as it is.
func Refusal(err error) error {
	if err == nil || !strings.Contains(err.Error(), refused) {
		return err
	}
	var all []string
	for _, m := range at.FindAllStringSubmatch(err.Error(), -1) {
		name := strings.ReplaceAll(strings.TrimPrefix(m[1], "/"), "/", ".")
		if name == "" {
			name = "the values"
		}
		all = append(all, name+": "+m[2])
	}
	text := strings.TrimSpace(err.Error())
	if len(all) > 0 {
		text = "these values cannot be: " + strings.Join(all, "; ")
	}
	return sx.NewError(sx.CodeInvalid, "%s", text).WithHint("correct the values; docs/install.md lists them").WithCause(err)
}
