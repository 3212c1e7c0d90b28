package check

import (
	"context"
	"fmt"
	"strconv"
	"strings"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	"github.com/soundextract/sx/server/sx"
)

// Volume is the usage of a part's volume.
type Volume struct {
	Component  string `json:"component"`  // mongodb or rabbitmq
	Size       int64  `json:"size_bytes"` // what is used and what is free
	Free       int64  `json:"free_bytes"`
	Inodes     int64  `json:"inodes"` // 0 if the file system has no fixed number
	InodesFree int64  `json:"inodes_free"`
}

// dataPaths are where the parts' volumes are mounted.
var dataPaths = map[string]string{"mongodb": "/data/db", "rabbitmq": "/var/lib/rabbitmq"}

// Volumes measures the volumes of the parts that are running, with df in their pods. It
// leaves out those that cannot be measured.
func Volumes(ctx context.Context, env *Env) ([]Volume, error) {
	all := []Volume{}
	for _, component := range []string{"mongodb", "rabbitmq"} {
		pod, err := env.runningPod(ctx, component)
		if err != nil {
			continue // it is external, or has another problem
		}
		path := dataPaths[component]
		out, err := env.exec(ctx, pod, component, []string{"sh", "-c", "df -Pk " + path + " | tail -n 1; df -Pi " + path + " | tail -n 1"})
		if apierrors.IsForbidden(err) {
			return all, env.accessError(err, "run df in the pods")
		}
		if err != nil {
			continue // the container is not running
		}
		v, err := parseDF(out)
		if err != nil {
			return all, fmt.Errorf("read the output of df in the pod %s: %w", pod, err)
		}
		v.Component = component
		all = append(all, v)
	}
	return all, nil
}

func (env *Env) exec(ctx context.Context, pod, container string, command []string) (string, error) {
	if env.Exec != nil {
		return env.Exec(ctx, pod, container, command)
	}
	return env.Cluster.Exec(ctx, pod, container, command, "")
}

// parseDF reads the last lines of df -Pk and of df -Pi: name, total, used, free, and more
// (https://pubs.opengroup.org/onlinepubs/9799919799/utilities/df.html).
func parseDF(out string) (Volume, error) {
	var v Volume
	lines := strings.Split(strings.TrimSpace(out), "\n")
	const kinds, columns = 2, 4
	if len(lines) != kinds {
		return v, fmt.Errorf("%d lines instead of %d", len(lines), kinds)
	}
	number := func(line string, column int) (int64, error) {
		fields := strings.Fields(line)
		if len(fields) < columns {
			return 0, fmt.Errorf("%d columns", len(fields))
		}
		if fields[column] == "-" { // not known
			return 0, nil
		}
		n, err := strconv.ParseInt(fields[column], 10, 64)
		if err != nil || n < 0 || n > 1<<52 {
			return 0, fmt.Errorf("%q is not a number of blocks", fields[column])
		}
		return n, nil
	}
	// The total includes what only the superuser may use.
	const usedColumn, freeColumn, kib = 2, 3, 1024
	for i, part := range []struct {
		total, free *int64
		unit        int64
	}{{&v.Size, &v.Free, kib}, {&v.Inodes, &v.InodesFree, 1}} {
		inUse, err := number(lines[i], usedColumn)
		if err != nil {
			return v, err
		}
		free, err := number(lines[i], freeColumn)
		if err != nil {
			return v, err
		}
		*part.total, *part.free = (inUse+free)*part.unit, free*part.unit
	}
	return v, nil
}

// Describe describes the volume in one line.
func (v Volume) Describe() string {
	text := fmt.Sprintf("%s: %s of %s free (%d %% used)", v.Component, sx.FormatSize(v.Free), sx.FormatSize(v.Size), used(v.Size, v.Free))
	if v.Inodes > 0 {
		text += fmt.Sprintf(", %d %% of the inodes used", used(v.Inodes, v.InodesFree))
	}
	return text
}

// used is the percentage that is not free, rounded up.
func used(total, free int64) int64 {
	if total <= 0 {
		return 0
	}
	const percent = 100
	return percent - free*percent/total
}

// The percentages from which a volume is reported.
const (
	usedMuch   = 90
	usedNearly = 98 // writes fail soon, or already
)

// volumes checks the space and the inodes of all volumes.
func volumes(ctx context.Context, env *Env) error {
	all, err := Volumes(ctx, env)
	if err != nil {
		return err
	}
	if len(all) == 0 {
		return Skip("", "no part with a volume is running")
	}
	var problems, texts []string
	worst, component := int64(0), ""
	for _, v := range all {
		texts = append(texts, v.Describe())
		if n := max(used(v.Size, v.Free), used(v.Inodes, v.InodesFree)); n >= usedMuch {
			problems = append(problems, v.Describe())
			if n > worst {
				worst, component = n, v.Component
			}
		}
	}
	if len(problems) == 0 {
		return Pass("the volumes have space and inodes: " + strings.Join(texts, "; "))
	}
	problem := sx.NewError(sx.CodeStorageFull, "a volume is almost full: %s", strings.Join(problems, "; ")).
		WithHint("enlarge it with --set %s.persistence.size=SIZE, or remove what is no longer needed; see what uses the space with: %s", component,
			env.Cluster.Kubectl("exec", env.Release+"-"+component+"-0", "-c", component, "--", "du", "-ah", dataPaths[component]))
	if worst >= usedNearly {
		return &severityOverride{problem, Fatal}
	}
	return problem
}
