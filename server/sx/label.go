package sx

import (
	"slices"
	"strings"
)

// Limits of a job's labels.
const (
	MaxLabels     = 20
	maxLabelBytes = 64
)

// Labels returns the labels without surrounding space and without repetitions. It
// returns an Error of code invalid if there are too many, or one is not valid.
func Labels(list []string) ([]string, error) {
	var labels []string
	for _, l := range list {
		l = strings.TrimSpace(l)
		// Signs are for changes of labels, commas separate them.
		if l == "" || len(l) > maxLabelBytes || l != CleanLine(l, maxLabelBytes) || strings.Contains(l, ",") || strings.ContainsAny(l[:1], "+-") {
			return nil, NewError(CodeInvalid, "invalid label %q", CleanLine(l, 2*maxLabelBytes)).
				WithHint("use up to %d bytes without commas, not starting with + or -", maxLabelBytes)
		}
		if !slices.Contains(labels, l) {
			labels = append(labels, l)
		}
	}
	if len(labels) > MaxLabels {
		return nil, NewError(CodeInvalid, "%d labels are too many", len(labels)).
			WithHint("use at most %d labels for a job", MaxLabels)
	}
	return labels, nil
}

// ChangeLabels adds labels to the job and removes others; removing one that it does not
// have changes nothing. It returns an Error of code invalid if the job would have too
// many.
func (j *Job) ChangeLabels(add, remove []string) error {
	kept := slices.DeleteFunc(slices.Clone(j.Labels), func(l string) bool { return slices.Contains(remove, l) })
	labels, err := Labels(append(kept, add...))
	if err == nil {
		j.Labels = labels
	}
	return err
}
