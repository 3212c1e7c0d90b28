package parallel

import "context"

// buffer holds a window of a conversion's PCM, from the first byte that may still be
// needed to the last one that was decoded. Its owner's lock protects it.
type buffer struct {
	memory *Memory
	blocks [][]byte
	first  int64 // offset of blocks[0] in the stream
	end    int64 // bytes that were decoded
	last   bool  // no more follow
}

// reserve makes room for at least one byte at the end. It returns a channel to wait on
// if there is no memory for it at the moment.
func (b *buffer) reserve() (<-chan struct{}, error) {
	if b.end < b.first+int64(len(b.blocks))*blockSize {
		return nil, nil
	}
	block, wait, err := b.memory.take(len(b.blocks))
	if block != nil {
		b.blocks = append(b.blocks, block)
	}
	return wait, err
}

// write copies as much of p as fits into the reserved room.
func (b *buffer) write(p []byte) int {
	offset := b.end - b.first
	n := copy(b.blocks[offset/blockSize][offset%blockSize:], p)
	b.end += int64(n)
	return n
}

// read returns PCM from the offset on, at most to limit, as far as it is in one block.
// It stays valid until trim is called with a higher offset.
func (b *buffer) read(from, limit int64) []byte {
	limit = min(limit, b.end)
	if from >= limit {
		return nil
	}
	offset := from - b.first
	block := b.blocks[offset/blockSize]
	start := offset % blockSize
	return block[start:min(blockSize, start+limit-from)]
}

// has reports whether the PCM from the offset on is still there.
func (b *buffer) has(from int64) bool { return from >= b.first }

// trim releases the memory of what lies before the offset.
func (b *buffer) trim(from int64) {
	n := 0
	for n < len(b.blocks) && b.first+blockSize <= min(from, b.end) {
		b.memory.put(b.blocks[n])
		b.blocks[n] = nil
		b.first += blockSize
		n++
	}
	b.blocks = b.blocks[n:]
}

func (b *buffer) close() {
	for _, block := range b.blocks {
		b.memory.put(block)
	}
	b.blocks = nil
}

// await waits until the channel is closed.
func await(ctx context.Context, changed <-chan struct{}) error {
	select {
	case <-changed:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
