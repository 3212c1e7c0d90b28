package main

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// upload uploads 1 GiB with sx upload, and with curl to a bare server on the same disk.
func (b *bench) upload() error {
	const size = 1 << 30
	video := filepath.Join(b.dir, "big.mp4")
	if err := bigVideo(video, size); err != nil {
		return err
	}
	defer func() { _ = os.Remove(video) }()

	url, stop, err := b.startBare()
	if err != nil {
		return err
	}
	defer stop()
	sx, curl, err := compare(func() error { return b.warm(size) },
		func() error { return b.sx("upload", "--force", video) },
		func() error {
			return timed(exec.CommandContext(b.ctx, "curl", "-sfT", video, url))
		},
	)
	if err != nil {
		return err
	}
	fmt.Printf("upload of 1 GiB: sx upload %.2f s, curl -T to a bare server %.2f s, ratio %.2f (target: at most 1.3)\n", sx, curl, sx/curl)
	return nil
}

// startBare starts a bare server and returns its URL.
func (b *bench) startBare() (url string, stop func(), err error) {
	self, err := os.Executable()
	if err != nil {
		return "", nil, err
	}
	server := exec.CommandContext(b.ctx, self, "bare", b.dir)
	stdout, err := server.StdoutPipe()
	if err != nil {
		return "", nil, err
	}
	if err := server.Start(); err != nil {
		return "", nil, err
	}
	stop = func() { _ = server.Process.Kill(); _ = server.Wait() }
	addr, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		stop()
		return "", nil, fmt.Errorf("start the bare server: %w", err)
	}
	return "http://" + strings.TrimSpace(addr) + "/", stop, nil
}

// warm does what idle does, and then writes and removes a file of the given size, so
// that memory for it is available: a virtual machine may have returned its free
// memory to the host, and reclaiming it takes several times as long as the write.
// curl's server does not have this delay, because it overwrites its own file.
func (b *bench) warm(size int64) error {
	path := filepath.Join(b.dir, "warm.mp4")
	if err := bigVideo(path, size); err != nil {
		return err
	}
	if err := b.idle(); err != nil {
		return err
	}
	return os.Remove(path)
}

// bigVideo writes a file that starts like an MP4 and continues with incompressible
// bytes.
func bigVideo(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	if _, err := f.Write([]byte("\x00\x00\x00\x18ftypisom\x00\x00\x02\x00isomiso2")); err != nil {
		return err
	}
	block := make([]byte, 1<<20)
	state := uint64(88172645463325252)
	for at := int64(24); at < size; at += int64(len(block)) {
		for i := range block {
			state ^= state << 13
			state ^= state >> 7
			state ^= state << 17
			block[i] = byte(state)
		}
		if _, err := f.Write(block[:min(int64(len(block)), size-at)]); err != nil {
			return err
		}
	}
	return f.Close()
}
