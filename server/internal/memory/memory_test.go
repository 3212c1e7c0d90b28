package memory_test

import (
	"testing"
	"testing/fstest"

	"github.com/soundextract/sx/server/internal/memory"
)

func TestLimit(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		files map[string]string
		want  int64
	}{
		"another system": {nil, 0},
		"version 2 in a container": {map[string]string{
			"proc/self/cgroup": "0::/\n", "sys/fs/cgroup/memory.max": "536870912\n",
		}, 512 << 20},
		"version 2 without a limit": {map[string]string{
			"proc/self/cgroup": "0::/user.slice\n", "sys/fs/cgroup/user.slice/memory.max": "max\n",
		}, 0},
		"the limit of a pod": {map[string]string{
			"proc/self/cgroup":               "0::/pod/c/sub\n",
			"sys/fs/cgroup/pod/memory.max":   "1000000\n",
			"sys/fs/cgroup/pod/c/memory.max": "2000000\n",
		}, 1_000_000},
		"version 1 in a container, with a path of the host": {map[string]string{
			"proc/self/cgroup":                           "5:cpu,cpuacct:/kubepods/x\n4:memory:/kubepods/x\n0::/kubepods/x\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes": "2147483648\n",
		}, 2 << 30},
		"version 1 without a limit": {map[string]string{
			"proc/self/cgroup": "4:memory:/\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": "9223372036854771712\n",
		}, 0},
		"unreadable": {map[string]string{"proc/self/cgroup": "0\n::\n0::/a\n", "sys/fs/cgroup/a/memory.max": "much\n"}, 0},
	} {
		root := fstest.MapFS{}
		for file, text := range tt.files {
			root[file] = &fstest.MapFile{Data: []byte(text)}
		}
		if got := memory.LimitIn(root); got != tt.want {
			t.Errorf("%s: got %d, want %d", name, got, tt.want)
		}
	}
}
