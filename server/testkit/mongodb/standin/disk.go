package main

import (
	"encoding/binary"
	"errors"
	"math"
	"os"
	"syscall"
)

// withDisk adds the fields that mongod has in a reply to dbStats and FerretDB
// lacks: the size of the disk and how much of it is in use.
func withDisk(reply []byte, dir string) ([]byte, error) {
	var st syscall.Statfs_t
	if err := syscall.Statfs(dir, &st); err != nil {
		return nil, os.NewSyscallError("statfs", err)
	}
	if len(reply) < firstKey || reply[len(reply)-1] != 0 {
		return nil, errors.New("the reply to dbStats is not one document")
	}
	added := double(nil, "fsUsedSize", float64((st.Blocks-st.Bavail)*uint64(st.Bsize)))
	added = double(added, "fsTotalSize", float64(st.Blocks*uint64(st.Bsize)))
	reply = append(append(reply[:len(reply)-1], added...), 0)
	for _, length := range [][]byte{reply, reply[body:]} {
		binary.LittleEndian.PutUint32(length, binary.LittleEndian.Uint32(length)+uint32(len(added)))
	}
	return reply, nil
}

// double appends an element of a BSON document.
func double(b []byte, key string, value float64) []byte {
	b = append(b, 1)
	b = append(b, key...)
	b = append(b, 0)
	return binary.LittleEndian.AppendUint64(b, math.Float64bits(value))
}
