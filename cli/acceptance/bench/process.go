package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// resident is the resident memory of a process in bytes.
type resident struct {
	own  int64
	tree int64 // with that of its children, which counts shared pages more than once
}

// peaks runs fn and returns the peaks of the processes' memory meanwhile.
func (b *bench) peaks(fn func() error, pids ...int) ([]resident, error) {
	peaks := make([]resident, len(pids))
	sample := func() error {
		for i, pid := range pids {
			now, err := b.resident(pid)
			if err != nil {
				return err
			}
			peaks[i] = resident{max(peaks[i].own, now.own), max(peaks[i].tree, now.tree)}
		}
		return nil
	}
	if err := sample(); err != nil {
		return nil, err
	}
	done := make(chan error, 1)
	go func() { done <- fn() }()
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if err := sample(); err != nil {
				return nil, err
			}
		case err := <-done:
			return peaks, err
		}
	}
}

func (b *bench) resident(pid int) (resident, error) {
	out, err := exec.CommandContext(b.ctx, "ps", "-axo", "pid=,ppid=,rss=").Output()
	if err != nil {
		return resident{}, fmt.Errorf("list the processes: %w", err)
	}
	var r resident
	for line := range strings.Lines(string(out)) {
		var id, parent int
		var kib int64
		if _, err := fmt.Sscan(line, &id, &parent, &kib); err != nil {
			return resident{}, fmt.Errorf("read the list of processes: %w", err)
		}
		if id == pid {
			r.own = kib << 10
		}
		if id == pid || parent == pid {
			r.tree += kib << 10
		}
	}
	if r.own == 0 {
		return resident{}, fmt.Errorf("process %d does not run", pid)
	}
	return r, nil
}

// cpu is CPU time of a process in seconds.
type cpu struct {
	own      float64
	children float64 // that have exited
}

func (c cpu) since(before cpu) cpu {
	return cpu{own: c.own - before.own, children: c.children - before.children}
}

// cpuOf returns the CPU time of a process so far, from Linux's /proc (proc_pid_stat(5)).
func cpuOf(pid int) (cpu, error) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return cpu{}, err
	}
	// The second field is the name, in parentheses. utime, stime, cutime and cstime are
	// the fields from 14 on, in hundredths of a second.
	_, rest, _ := bytes.Cut(stat, []byte(") "))
	fields := strings.Fields(string(rest))
	const first = 14 - 3
	if len(fields) < first+4 {
		return cpu{}, fmt.Errorf("/proc/%d/stat has %d fields", pid, len(fields)+2)
	}
	var t [4]float64
	for i := range t {
		ticks, err := strconv.ParseInt(fields[first+i], 10, 64)
		if err != nil {
			return cpu{}, err
		}
		t[i] = float64(ticks) / 100
	}
	return cpu{own: t[0] + t[1], children: t[2] + t[3]}, nil
}

// exited returns the CPU time of a command that has exited, in seconds.
func exited(cmd *exec.Cmd) float64 {
	return (cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()).Seconds()
}
