//go:build linux && (amd64 || arm64)

package sandbox

import (
	"fmt"

	"golang.org/x/net/bpf"
	"golang.org/x/sys/unix"
)

// filter builds a program for seccomp(2). Between two rules, it has the number of the
// system call in its accumulator.
type filter []bpf.Instruction

// Offsets in struct seccomp_data. Both architectures are little-endian.
const (
	offsetNumber = 0
	offsetArch   = 4
	offsetArgs   = 16
)

// x32 is the bit that marks system calls of the x32 ABI, whose arch is that of x86-64.
const x32 = 0x40000000

func newFilter() *filter {
	return &filter{
		bpf.LoadAbsolute{Off: offsetArch, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: auditArch, SkipTrue: 1},
		fail(unix.EPERM),
		bpf.LoadAbsolute{Off: offsetNumber, Size: 4},
		bpf.JumpIf{Cond: bpf.JumpLessThan, Val: x32, SkipTrue: 1},
		fail(unix.ENOSYS),
	}
}

func fail(e unix.Errno) bpf.Instruction {
	return bpf.RetConstant{Val: unix.SECCOMP_RET_ERRNO | uint32(e)}
}

// add adds a rule: what happens at the system call, unless a condition does not hold.
func (f *filter) add(call uint32, result bpf.Instruction, conditions ...condition) {
	var block []bpf.Instruction
	for _, c := range conditions {
		block = append(block, c.load()...)
	}
	block = append(block, result)
	if len(conditions) > 0 {
		block = append(block, bpf.LoadAbsolute{Off: offsetNumber, Size: 4})
	}
	// A condition that does not hold jumps to the last instruction.
	for i, in := range block {
		if jump, ok := in.(bpf.JumpIf); ok {
			jump.SkipFalse = uint8(len(block) - i - 2) //nolint:gosec // a rule has at most 20 instructions
			block[i] = jump
		}
	}
	*f = append(append(*f, bpf.JumpIf{Cond: bpf.JumpNotEqual, Val: call, SkipTrue: uint8(len(block))}), block...) //nolint:gosec // see above
}

// allow allows system calls.
func (f *filter) allow(calls ...uint32) {
	for _, call := range calls {
		f.add(call, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW})
	}
}

// when allows a system call if all conditions hold.
func (f *filter) when(call uint32, conditions ...condition) {
	f.add(call, bpf.RetConstant{Val: unix.SECCOMP_RET_ALLOW}, conditions...)
}

// refuse makes a system call fail with an error.
func (f *filter) refuse(call uint32, e unix.Errno) { f.add(call, fail(e)) }

// program returns the program, which refuses everything else.
func (f *filter) program() (*unix.SockFprog, error) {
	raw, err := bpf.Assemble(append(*f, fail(unix.EPERM)))
	if err != nil {
		return nil, fmt.Errorf("making the filter of system calls: %w", err)
	}
	code := make([]unix.SockFilter, len(raw))
	for i, r := range raw {
		code[i] = unix.SockFilter{Code: r.Op, Jt: r.Jt, Jf: r.Jf, K: r.K}
	}
	return &unix.SockFprog{Len: uint16(len(code)), Filter: &code[0]}, nil //nolint:gosec // some hundred
}

// condition is a condition of one of a system call's arguments.
type condition struct {
	argument uint32
	test     bpf.JumpTest
	value    uint64
}

func equal(argument uint32, value uint64) condition {
	return condition{argument, bpf.JumpEqual, value}
}

// with requires that one of the bits is set, in the argument's lower 32.
func with(argument uint32, bits uint32) condition {
	return condition{argument, bpf.JumpBitsSet, uint64(bits)}
}

// without requires that none of the bits is set, in the argument's lower 32.
func without(argument uint32, bits uint32) condition {
	return condition{argument, bpf.JumpBitsNotSet, uint64(bits)}
}

// load returns the instructions that test the condition; add sets where they jump if it
// does not hold.
func (c condition) load() []bpf.Instruction {
	low := bpf.LoadAbsolute{Off: offsetArgs + 8*c.argument, Size: 4}
	high := bpf.LoadAbsolute{Off: low.Off + 4, Size: 4}
	test := bpf.JumpIf{Cond: c.test, Val: uint32(c.value)} //nolint:gosec // the lower half
	if c.test != bpf.JumpEqual {
		return []bpf.Instruction{low, test}
	}
	return []bpf.Instruction{
		high,
		bpf.JumpIf{Cond: bpf.JumpEqual, Val: uint32(c.value >> 32)},
		low, test,
	}
}
