package localstore_test

import (
	"bufio"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// call is a system call of a recording. It takes effect at its end: calls that others
// made since its start may have come before or after it.
type call struct {
	name   string
	args   []string
	result int64
}

// traced are the system calls that change files, or that the others need. Those that the
// disk does not know are recorded to fail the test if anything uses them.
var traced = []string{
	"openat", "close", "lseek", "write", "pwrite64", "ftruncate", "fsync", "fdatasync", "mkdirat", "unlinkat", "renameat",
	"writev", "pwritev", "pwritev2", "truncate", "fallocate", "rename", "renameat2", "link", "linkat", "symlinkat", "mkdir", "unlink",
	"rmdir", "copy_file_range", "sendfile", "splice", "dup", "dup3", "fcntl", "msync", "sync", "syncfs", "sync_file_range",
}

var (
	whole   = regexp.MustCompile(`^(\d+) +(\w+)\((.*)\) += (-?\d+)`)
	started = regexp.MustCompile(`^(\d+) +(\w+)\((.*) <unfinished \.\.\.>$`)
	resumed = regexp.MustCompile(`^(\d+) +<\.\.\. \w+ resumed>(.*)\) += (-?\d+)`)
)

// readTrace reads what strace has written, and passes each call to start when it starts
// and to end when it ends.
func readTrace(t *testing.T, path string, start, end func(*call)) {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = f.Close() }()
	open := map[string]*call{} // by thread
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 64<<20)
	for lines.Scan() {
		line := lines.Text()
		if m := whole.FindStringSubmatch(line); m != nil {
			c := &call{name: m[2], args: strings.Split(m[3], ", "), result: number(t, m[4])}
			start(c)
			end(c)
		} else if m := started.FindStringSubmatch(line); m != nil {
			c := &call{name: m[2], args: strings.Split(m[3], ", ")}
			open[m[1]] = c
			start(c)
		} else if m := resumed.FindStringSubmatch(line); m != nil {
			c := open[m[1]]
			c.result = number(t, m[3])
			if rest := strings.TrimPrefix(m[2], ", "); rest != "" {
				c.args = append(c.args, strings.Split(rest, ", ")...)
			}
			end(c)
		}
	}
	if err := lines.Err(); err != nil {
		t.Fatal(err)
	}
}

func number(t *testing.T, s string) int64 {
	t.Helper()
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// bytes decodes an argument that is a text; strace writes all its bytes in hexadecimal.
func (c *call) bytes(t *testing.T, i int) []byte {
	t.Helper()
	raw, err := hex.DecodeString(strings.NewReplacer(`\x`, "", `"`, "").Replace(c.args[i]))
	if err != nil {
		t.Fatalf("%s: %v", c.name, err)
	}
	return raw
}

// disk is what a file system has after a recording, and what of it a power loss leaves.
type disk struct {
	t    *testing.T
	root string // paths outside are ignored
	top  *node
	fds  map[string]*descriptor
	// syncing has what a sync that has started will make durable.
	syncing map[*call]node
}

// node is a file or a directory.
type node struct {
	dir            bool
	data, synced   []byte
	names, durable map[string]*node
}

type descriptor struct {
	*node
	offset int64
}

func newDisk(t *testing.T, root string) *disk {
	return &disk{t: t, root: root, top: newDir(), fds: map[string]*descriptor{}, syncing: map[*call]node{}}
}

func newDir() *node { return &node{dir: true, names: map[string]*node{}, durable: map[string]*node{}} }

// find returns the directory of a path, which is nil outside of the root, and the name in
// it. The root itself has the name "".
func (d *disk) find(path string) (dir *node, name string) {
	if path == d.root {
		return d.top, ""
	}
	rest, ok := strings.CutPrefix(path, d.root+"/")
	if !ok {
		return nil, ""
	}
	parts := strings.Split(rest, "/")
	dir = d.top
	for _, p := range parts[:len(parts)-1] {
		if dir = dir.names[p]; dir == nil {
			return nil, ""
		}
	}
	return dir, parts[len(parts)-1]
}

// start keeps what a sync makes durable: what has been written before.
func (d *disk) start(c *call) {
	if c.name != "fsync" && c.name != "fdatasync" {
		return
	}
	if f := d.fds[c.args[0]]; f != nil {
		kept := node{data: slices.Clone(f.data), names: map[string]*node{}}
		for name, n := range f.names {
			kept.names[name] = n
		}
		d.syncing[c] = kept
	}
}

// end applies a call.
func (d *disk) end(c *call) {
	d.t.Helper()
	if c.result < 0 {
		return
	}
	switch c.name {
	case "openat", "mkdirat", "unlinkat", "renameat":
		d.named(c)
		return
	case "fcntl":
		if strings.Contains(c.args[1], "F_DUPFD") && d.fds[c.args[0]] != nil {
			d.t.Errorf("%s%v is not understood", c.name, c.args)
		}
		return
	}
	f := d.fds[c.args[0]]
	if f == nil {
		return // not a file of the store
	}
	switch c.name {
	case "close":
		delete(d.fds, c.args[0])
	case "lseek":
		f.offset = c.result
	case "write":
		f.write(c.bytes(d.t, 1)[:c.result], f.offset)
		f.offset += c.result
	case "pwrite64":
		f.write(c.bytes(d.t, 1)[:c.result], number(d.t, c.args[3]))
	case "ftruncate":
		f.truncate(number(d.t, c.args[1]))
	case "fsync", "fdatasync":
		kept := d.syncing[c]
		f.synced, f.durable = kept.data, kept.names
		delete(d.syncing, c)
	default:
		d.t.Errorf("%s%v is not understood", c.name, c.args)
	}
}

// named applies a call that has paths.
func (d *disk) named(c *call) {
	d.t.Helper()
	path := string(c.bytes(d.t, 1))
	if c.args[0] != "AT_FDCWD" || !strings.HasPrefix(path, "/") {
		d.t.Errorf("%s%v: the path is not absolute", c.name, c.args)
	}
	dir, name := d.find(path)
	if dir == nil {
		return
	}
	switch c.name {
	case "openat":
		n := dir
		if name != "" {
			n = dir.names[name]
		}
		if n == nil {
			n = &node{}
			dir.names[name] = n
		}
		if strings.Contains(c.args[2], "O_TRUNC") {
			n.truncate(0)
		}
		d.fds[fmt.Sprint(c.result)] = &descriptor{node: n}
	case "mkdirat":
		dir.names[name] = newDir()
	case "unlinkat":
		delete(dir.names, name)
	case "renameat":
		to, as := d.find(string(c.bytes(d.t, 3)))
		to.names[as] = dir.names[name]
		delete(dir.names, name)
	}
}

func (n *node) truncate(size int64) {
	n.data = append(n.data, make([]byte, max(0, size-int64(len(n.data))))...)[:size]
}

func (n *node) write(b []byte, offset int64) {
	if end := offset + int64(len(b)); end > int64(len(n.data)) {
		n.truncate(end)
	}
	copy(n.data[offset:], b)
}

// digest writes to h what restore would write.
func (n *node) digest(h io.Writer, allNames bool) {
	for _, name := range slices.Sorted(maps.Keys(n.left(allNames))) {
		child := n.left(allNames)[name]
		_, _ = fmt.Fprintf(h, "%s %v %d\n", name, child.dir, len(child.synced))
		_, _ = h.Write(child.synced)
		child.digest(h, allNames)
	}
	_, _ = fmt.Fprintln(h)
}

// left returns the names that a power loss leaves.
func (n *node) left(allNames bool) map[string]*node {
	if allNames {
		return n.names
	}
	return n.durable
}

// restore writes what a power loss leaves into a directory: of each file what was synced,
// under the names that were synced, or with allNames under those that it had.
func (n *node) restore(t *testing.T, path string, allNames bool) {
	t.Helper()
	for name, child := range n.left(allNames) {
		at := path + "/" + name
		var err error
		if child.dir {
			err = os.Mkdir(at, 0o700)
			child.restore(t, at, allNames)
		} else {
			err = os.WriteFile(at, child.synced, 0o600)
		}
		if err != nil && !os.IsExist(err) {
			t.Fatal(err)
		}
	}
}
