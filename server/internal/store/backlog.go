package store

import (
	"slices"
	"time"

	"github.com/soundextract/sx/server/sx"
)

// Backlog describes the unfinished jobs of all owners, by state.
type Backlog map[sx.State]InState

// InState describes the jobs in a state.
type InState struct {
	Jobs   int       // at most MaxCounted
	Oldest time.Time // when the job that has been in it longest entered it; zero if there is none
}

// MaxCounted is how many jobs of a state Backlog counts at most.
const MaxCounted = 100_000

// Unfinished are the states that Backlog describes.
func Unfinished() []sx.State {
	return slices.DeleteFunc(sx.States(), sx.State.Final)
}
