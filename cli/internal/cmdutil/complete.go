package cmdutil

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/soundextract/sx/cli/internal/session"
	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/api/client"
	"github.com/soundextract/sx/server/sx"
)

// completionTimeout bounds how long completion waits for the server.
const completionTimeout = 1500 * time.Millisecond

// completer returns a function that offers what list has, in its order, except what was
// given. It offers nothing if the server does not answer in time or nobody is signed in.
func completer(f *Factory, list func(ctx context.Context, c *client.Client, toComplete string) ([]cobra.Completion, error)) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		ctx, cancel := context.WithTimeout(cmd.Context(), completionTimeout)
		defer cancel()
		c, err := f.Client()
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		offers, err := list(ctx, c, toComplete)
		if err != nil {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		offers = slices.DeleteFunc(offers, func(o cobra.Completion) bool {
			name, _, _ := strings.Cut(o, "\t")
			return !strings.HasPrefix(name, toComplete) || slices.Contains(args, name)
		})
		return offers, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveKeepOrder
	}
}

// CompleteAccounts completes the names that list returns, which are known without the server.
func CompleteAccounts(f *Factory, list func(*session.Account) []string) cobra.CompletionFunc {
	return func(_ *cobra.Command, args []string, toComplete string) (offers []cobra.Completion, _ cobra.ShellCompDirective) {
		if acct, err := f.Account(); err == nil && len(args) == 0 {
			offers = slices.DeleteFunc(list(acct), func(name string) bool { return !strings.HasPrefix(name, toComplete) })
		}
		return offers, cobra.ShellCompDirectiveNoFileComp
	}
}

// CompleteJobs completes the IDs of the user's newest jobs in the given states (none
// means all), each with the job's name and state, and the names of those whose name
// begins with what was typed.
func CompleteJobs(f *Factory, states ...sx.State) cobra.CompletionFunc {
	return completer(f, func(ctx context.Context, c *client.Client, toComplete string) ([]cobra.Completion, error) {
		page, err := c.Jobs(ctx, client.JobFilter{States: states})
		if err != nil {
			return nil, err
		}
		var offers []cobra.Completion
		for _, j := range page.Jobs {
			if strings.HasPrefix(j.ID, toComplete) {
				offers = append(offers, cobra.CompletionWithDesc(j.ID, fmt.Sprintf("%s (%s)", j.Name, j.State)))
			} else {
				offers = append(offers, cobra.CompletionWithDesc(j.Name, string(j.State)))
			}
		}
		return offers, nil
	})
}

// CompleteLabels completes the labels of the user's newest jobs, as many as one page has.
func CompleteLabels(f *Factory) cobra.CompletionFunc {
	return completer(f, func(ctx context.Context, c *client.Client, _ string) ([]cobra.Completion, error) {
		page, err := c.Jobs(ctx, client.JobFilter{Limit: api.MaxLimit})
		if err != nil {
			return nil, err
		}
		var labels []cobra.Completion
		for _, j := range page.Jobs {
			for _, l := range j.Labels {
				if !slices.Contains(labels, l) {
					labels = append(labels, l)
				}
			}
		}
		slices.Sort(labels)
		return labels, nil
	})
}

// CompleteTokens completes the names of the user's personal tokens.
func CompleteTokens(f *Factory) cobra.CompletionFunc {
	return onlyFirst(completer(f, func(ctx context.Context, c *client.Client, _ string) ([]cobra.Completion, error) {
		list, err := c.PersonalTokens(ctx)
		if err != nil {
			return nil, err
		}
		var names []cobra.Completion
		for _, t := range list.Tokens {
			names = append(names, cobra.CompletionWithDesc(t.Name, fmt.Sprintf("%s, until %s", t.ID, t.Expires.Format(time.DateOnly))))
		}
		return names, nil
	}))
}

// CompleteShares completes the IDs of links of the user's newest jobs, as many as one page
// has.
func CompleteShares(f *Factory) cobra.CompletionFunc {
	return onlyFirst(completer(f, func(ctx context.Context, c *client.Client, _ string) ([]cobra.Completion, error) {
		page, err := c.Jobs(ctx, client.JobFilter{Shared: true, Limit: api.MaxLimit})
		if err != nil {
			return nil, err
		}
		var ids []cobra.Completion
		for _, j := range page.Jobs {
			for _, s := range j.Shares {
				ids = append(ids, cobra.CompletionWithDesc(s.ID, j.Name))
			}
		}
		return ids, nil
	}))
}

// CompleteFeeds completes the names of the user's podcast feeds.
func CompleteFeeds(f *Factory) cobra.CompletionFunc {
	return onlyFirst(completer(f, func(ctx context.Context, c *client.Client, _ string) ([]cobra.Completion, error) {
		list, err := c.Feeds(ctx)
		if err != nil {
			return nil, err
		}
		var names []cobra.Completion
		for _, feed := range list.Feeds {
			names = append(names, cobra.CompletionWithDesc(feed.Name, feed.ID))
		}
		return names, nil
	}))
}

// CompleteUsers completes the names of accounts that match, for administrators.
func CompleteUsers(f *Factory, match func(api.User) bool) cobra.CompletionFunc {
	return onlyFirst(completer(f, func(ctx context.Context, c *client.Client, _ string) ([]cobra.Completion, error) {
		page, err := c.Users(ctx, "", 0)
		if err != nil {
			return nil, err
		}
		var names []cobra.Completion
		for _, u := range page.Users {
			if match(u.User) {
				names = append(names, cobra.CompletionWithDesc(u.Name, "since "+u.Created.Format(time.DateOnly)))
			}
		}
		return names, nil
	}))
}

// AnyUser matches accounts that are not being deleted.
func AnyUser(u api.User) bool { return !u.Deleting }

// EnabledUser matches accounts that can be used.
func EnabledUser(u api.User) bool { return !u.Deleting && !u.Disabled }

// DisabledUser matches accounts that an administrator has disabled.
func DisabledUser(u api.User) bool { return !u.Deleting && u.Disabled }

// CompleteWebhooks completes the IDs of the user's webhooks.
func CompleteWebhooks(f *Factory) cobra.CompletionFunc {
	return onlyFirst(completer(f, func(ctx context.Context, c *client.Client, _ string) ([]cobra.Completion, error) {
		n, err := c.Notify(ctx)
		if err != nil {
			return nil, err
		}
		var ids []cobra.Completion
		for _, w := range n.Webhooks {
			ids = append(ids, cobra.CompletionWithDesc(w.ID, w.URL))
		}
		return ids, nil
	}))
}

// onlyFirst completes the first argument only.
func onlyFirst(complete cobra.CompletionFunc) cobra.CompletionFunc {
	return func(cmd *cobra.Command, args []string, toComplete string) ([]cobra.Completion, cobra.ShellCompDirective) {
		if len(args) > 0 {
			return nil, cobra.ShellCompDirectiveNoFileComp
		}
		return complete(cmd, args, toComplete)
	}
}
