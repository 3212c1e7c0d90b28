//go:build e2e && upgrade

package e2e

import (
	"maps"
	"path/filepath"
	"testing"
	"time"
)

// TestUpgradeFrom installs another version, whose sx is in bin/from, upgrades it to this
// one, rolls back, upgrades again and rotates the secrets, under the load of a client that
// retries nothing. make e2e-upgrade runs it.
func TestUpgradeFrom(t *testing.T) {
	for name, replicas := range map[string]int{"two-replicas": 2, "one-replica": 1} {
		t.Run(name, func(t *testing.T) {
			o := newOperator(within(t, 15*time.Minute), t, "e2e-from-"+name)
			this := bin
			bin = filepath.Join(filepath.Dir(this), "from", "sx")
			t.Cleanup(func() { bin = this })
			earlier := o.version()
			c := o.underLoad(replicas)
			bin = this
			if earlier == o.version() {
				t.Fatalf("both have the version %s", earlier)
			}
			stateful := o.statefulPods()
			c.during("an upgrade from "+earlier, func() { o.sx(o.install()...) })
			c.during("a rollback to "+earlier, func() { o.sx(o.at("rollback")...) })
			c.during("another upgrade", func() { o.sx(o.install()...) })
			if now := o.statefulPods(); !maps.Equal(stateful, now) {
				t.Errorf("the pods of MongoDB and RabbitMQ were %v and are %v", stateful, now)
			}
			c.during("a rotation", func() { o.sx(o.at("secrets", "rotate", "all", "--yes")...) })
			c.nothingLost()
		})
	}
}
