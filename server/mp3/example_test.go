package mp3_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/soundextract/sx/server/mp3"
)

// An MP3 is taken apart and laid out again with a new Info frame.
func Example() {
	file, err := os.ReadFile("testdata/44100-2-q4-b0.mp3")
	if err != nil {
		fmt.Println(err)
		return
	}
	tag, err := mp3.ReadInfo(file)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Printf("%d frames at %d Hz, %d samples, made by %s\n", tag.Frames, tag.SampleRate, tag.Length(), tag.Encoder)

	info, err := mp3.NewInfo(tag.Encoder, tag.SampleRate, tag.Channels, 0)
	if err != nil {
		fmt.Println(err)
		return
	}
	var out bytes.Buffer
	layout := mp3.NewLayout(io.MultiWriter(info, &out), true, "3.100")
	for r := mp3.NewReader(bytes.NewReader(file[tag.Size():])); ; {
		f, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			fmt.Println(err)
			return
		}
		if _, err := layout.Add(f); err != nil {
			fmt.Println(err)
			return
		}
	}
	if err := layout.Close(); err != nil {
		fmt.Println(err)
		return
	}
	head, err := info.Bytes(tag.Length())
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("the same bytes:", bytes.Equal(append(head, out.Bytes()...), file))
	// Output:
	// 12 frames at 44100 Hz, 12000 samples, made by Lavc59.37
	// the same bytes: true
}
