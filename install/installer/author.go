package installer

import (
	"context"
	"os"
	"os/user"
	"strings"
	"unicode"

	authentication "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// maxAuthor bounds the text that is stored as the author of a revision.
const maxAuthor = 120

// author returns who changes the release: the user on this machine, and the user that the
// API server has authenticated.
func (in *Installer) author(ctx context.Context) string {
	here := ""
	if u, err := user.Current(); err == nil {
		here = u.Username
	}
	if host, err := os.Hostname(); err == nil {
		here += "@" + host
	}
	// Without its author, the revision is still worth installing.
	review, err := in.Cluster.Client.AuthenticationV1().SelfSubjectReviews().
		Create(ctx, &authentication.SelfSubjectReview{}, metav1.CreateOptions{})
	if err == nil && review.Status.UserInfo.Username != "" {
		here += " (" + review.Status.UserInfo.Username + ")"
	}
	here = strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return -1
	}, here)
	if runes := []rune(here); len(runes) > maxAuthor {
		here = string(runes[:maxAuthor])
	}
	return here
}
