// Package mp3 takes MPEG-1, MPEG-2 and MPEG-2.5 Layer III streams apart into
// frames and lays frames out as one stream, as the LAME encoder does. So frames
// that several encoders made from parts of one recording become the bytes that
// one encoder would have made from all of it.
//
// A frame stands for 1152 samples of each channel, or 576 below 32 kHz. It
// begins with a header of 4 bytes (sample rate, bit rate, channels) and 9, 17 or
// 32 bytes of side information, which says how to read the main data: the coded
// samples. The header's bit rate determines the frame's size, but main data needs
// as many bits as the sound demands. Therefore main data need not lie in its own
// frame: it may begin up to 511 bytes (255 below 32 kHz) earlier, in space that
// the frames before it left unused. The side information's main_data_begin says
// how many bytes earlier. The space that is left for later frames is called the
// bit reservoir. What an encoder cannot leave for later, since the reservoir is
// full, it fills with stuffing.
//
// A [Reader] finds each frame's main data, so that a [Frame] no longer depends on
// the reservoir. A [Layout] keeps the reservoir of the new stream, decides as
// LAME does which bit rate a frame of a VBR stream has, and writes headers, main
// data and stuffing. An [Info] sees the stream that results and makes the frame
// in front of it, which tells players how long the recording is and how to seek.
//
// The formats are specified in ISO/IEC 11172-3 (MPEG-1) and ISO/IEC 13818-3
// (MPEG-2, its Layer III with low sampling frequencies); MPEG-2.5 continues the
// latter below 16 kHz and has no standard. Formulas name the clause that they
// come from. How LAME uses the reservoir, chooses bit rates and fills unused
// space is no part of a standard: those rules were derived from its output, and
// the tests compare them with it.
package mp3
