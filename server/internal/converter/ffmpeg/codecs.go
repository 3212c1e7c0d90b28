package ffmpeg

import (
	"slices"
	"strings"
)

// audioDecoders are the decoders that may run, by ffmpeg's names: those of
// formats that are used for recordings. Others would only increase the attack
// surface.
var audioDecoders = []string{
	"aac", "aac_latm", "ac3", "alac", "als", "amrnb", "amrwb", "ape", "atrac3", "atrac3p", "cook", "dca",
	"dsd_lsbf", "dsd_lsbf_planar", "dsd_msbf", "dsd_msbf_planar", "dvaudio", "eac3", "flac", "g722", "g726", "gsm",
	"gsm_ms", "libgsm", "libgsm_ms", "libopencore_amrnb", "libopencore_amrwb", "libopus", "libspeex", "libvorbis",
	"mace3", "mace6", "mlp", "mp1", "mp1float", "mp2", "mp2float", "mp3", "mp3float", "mpc7", "mpc8", "nellymoser",
	"opus", "qdm2", "qdmc", "ra_144", "ra_288", "s302m", "sipr", "speex", "truehd", "truespeech", "tta", "vorbis",
	"wavpack", "wmalossless", "wmapro", "wmav1", "wmav2", "wmavoice",
}

// coverDecoders are needed to read the size of cover art, which is then copied.
var coverDecoders = []string{"mjpeg", "png"}

// audioCodecs are the names of codecs whose decoders have other names.
var audioCodecs = []string{"amr_nb", "amr_wb", "dts", "gsm", "mp1", "mp2", "mp3", "mp4als", "musepack7", "musepack8"}

func isAllowed(decoder string) bool {
	return isPCM(decoder) || slices.Contains(audioDecoders, decoder) || slices.Contains(coverDecoders, decoder)
}

func isAudio(codec string) bool {
	return isPCM(codec) || slices.Contains(audioDecoders, codec) || slices.Contains(audioCodecs, codec)
}

func isPCM(name string) bool {
	return strings.HasPrefix(name, "pcm_") || strings.HasPrefix(name, "adpcm_")
}
