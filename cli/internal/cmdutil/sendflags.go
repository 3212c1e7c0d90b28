package cmdutil

import "github.com/spf13/cobra"

// AddBandwidthFlag adds --bwlimit to the command; bandwidth.New reads its text.
func AddBandwidthFlag(cmd *cobra.Command, text *string) {
	cmd.Flags().StringVar(text, "bwlimit", "", "transfer at most `RATE` bytes per second, such as 512k or 10M, "+
		`or by time of day, such as "08:00,512k 19:00,off"`)
	// Fails only for a flag that does not exist.
	_ = cmd.RegisterFlagCompletionFunc("bwlimit", cobra.NoFileCompletions)
}

// AddJoinFlag adds --join to the command.
func AddJoinFlag(cmd *cobra.Command, join *bool) {
	cmd.Flags().BoolVar(join, "join", false, "make one MP3 of all files, such as those of a recorder that splits at 4 GB")
}

// AddWholeFileFlag adds --whole-file to the command.
func AddWholeFileFlag(cmd *cobra.Command, whole *bool) {
	cmd.Flags().BoolVar(whole, "whole-file", false, "send the whole video, not only its audio")
}
