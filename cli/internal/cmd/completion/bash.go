package completion

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

// Cobra's script for bash calls functions of the package bash-completion, which is not
// installed everywhere: _get_comp_words_by_ref, and _filedir for the names of files.
// Without it, what follows takes their place: bash splits words at = and :, which are
// joined again, and completes names of files by itself.
const (
	words    = `    _get_comp_words_by_ref "$@" cur prev words cword` + "\n"
	ownWords = `    if declare -F _get_comp_words_by_ref >/dev/null 2>&1; then
        _get_comp_words_by_ref "$@" cur prev words cword
        return
    fi
    words=("${COMP_WORDS[0]}")
    cword=0
    local i
    for ((i = 1; i < ${#COMP_WORDS[@]}; i++)); do
        if [[ ${COMP_WORDS[i]} == [=:]* || ${COMP_WORDS[i-1]} == [=:] ]]; then
            words[${#words[@]}-1]+=${COMP_WORDS[i]}
        else
            words+=("${COMP_WORDS[i]}")
        fi
        if ((i == COMP_CWORD)); then
            cword=$((${#words[@]} - 1))
        fi
    done
    cur=${words[cword]}
    prev=${words[cword > 0 ? cword - 1 : 0]}
`
	files    = "        $filteringCmd\n"
	ownFiles = "        declare -F _filedir >/dev/null 2>&1 || return\n" + files
)

// bash writes cobra's script with these replacements.
func bash(root *cobra.Command, out io.Writer) error {
	var script bytes.Buffer
	if err := root.GenBashCompletionV2(&script, true); err != nil {
		return fmt.Errorf("make the script: %w", err)
	}
	text := script.Bytes()
	for _, r := range [][2]string{{words, ownWords}, {files, ownFiles}} {
		if bytes.Count(text, []byte(r[0])) != 1 {
			return errors.New("cobra's script for bash has changed: the functions to replace were not found")
		}
		text = bytes.Replace(text, []byte(r[0]), []byte(r[1]), 1)
	}
	_, err := out.Write(text)
	return err
}
