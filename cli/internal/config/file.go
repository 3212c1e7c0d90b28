package config

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/soundextract/sx/server/api"
	"github.com/soundextract/sx/server/atomicfile"
	"github.com/soundextract/sx/server/sx"
)

// Context is a named server.
type Context struct {
	Server string `yaml:"server"` // "" if it is reached through the cluster
	// Data is the data directory of a server started by sx up; else "".
	Data string `yaml:"data,omitempty"`
	// Kubernetes is where sx install installed the server; else zero.
	Kubernetes Kubernetes `yaml:"kubernetes,omitempty"`
}

// File is the config file. Whatever sx does not change in it, comments included,
// stays as the user wrote it.
type File struct {
	Path     string
	Exists   bool
	Context  string
	Contexts map[string]Context

	doc yaml.Node
	raw []byte
}

// ReadUserFile reads the config file at Path.
func ReadUserFile() (*File, error) {
	path, err := Path()
	if err != nil {
		return nil, err
	}
	return ReadFile(path)
}

// ReadFile reads the config file; a missing one counts as empty, as does path "". If the file is not
// valid, the error is an *sx.Error of code invalid that names the file and the line.
func ReadFile(path string) (*File, error) {
	f := &File{Path: path, Contexts: map[string]Context{}}
	var raw []byte
	err := fs.ErrNotExist
	if path != "" {
		raw, err = os.ReadFile(path)
	}
	switch {
	case errors.Is(err, fs.ErrNotExist):
	case err != nil:
		return nil, sx.NewError(sx.CodeInvalid, "cannot read the config file: %s", reason(err)).WithCause(err).
			WithHint("make it readable, or name another file in %s", EnvFile)
	default:
		f.Exists, f.raw = true, raw
	}
	if err := yaml.Unmarshal(raw, &f.doc); err != nil {
		return nil, f.wrong("is not valid YAML: %s", strings.TrimPrefix(err.Error(), "yaml: "))
	}
	if f.doc.Kind == 0 || f.root().Kind == yaml.ScalarNode && f.root().Tag == "!!null" {
		f.doc = yaml.Node{Kind: yaml.DocumentNode, Content: []*yaml.Node{{Kind: yaml.MappingNode}}}
	}
	return f, f.check()
}

// reason is the error without what the caller's message already says.
func reason(err error) string {
	var p *fs.PathError
	if errors.As(err, &p) {
		return p.Path + ": " + p.Err.Error()
	}
	return err.Error()
}

func (f *File) root() *yaml.Node { return f.doc.Content[0] }

func (f *File) wrong(format string, args ...any) error {
	return sx.NewError(sx.CodeInvalid, "%s %s", f.Path, fmt.Sprintf(format, args...)).
		WithHint("correct the file; for the settings, see: sx help environment")
}

func (f *File) check() error {
	known := []string{keyContexts}
	for _, s := range Settings() {
		known = append(known, s.Key)
	}
	if f.root().Kind != yaml.MappingNode {
		return f.wrong("must be a mapping of settings, key: value")
	}
	for key, value := range pairs(f.root()) {
		switch {
		case !slices.Contains(known, key.Value):
			return f.wrong("line %d: unknown setting %q", key.Line, key.Value)
		case key.Value == keyContexts:
			if err := f.readContexts(value); err != nil {
				return err
			}
		case value.Kind != yaml.ScalarNode:
			return f.wrong("line %d: %s must be a single value", value.Line, key.Value)
		case key.Value == keyContext:
			f.Context = value.Value
		}
	}
	return nil
}

func (f *File) readContexts(node *yaml.Node) error {
	if node.Kind != yaml.MappingNode {
		return f.wrong("line %d: contexts must be a mapping of names to servers", node.Line)
	}
	for name, body := range pairs(node) {
		c, err := f.readContext(name, body)
		if err != nil {
			return err
		}
		f.Contexts[name.Value] = c
	}
	return nil
}

func (f *File) readContext(name, body *yaml.Node) (c Context, err error) {
	if !contextName.MatchString(name.Value) {
		return c, f.wrong("line %d: invalid context name %q; use a-z, 0-9 and -", name.Line, name.Value)
	}
	if body.Kind != yaml.MappingNode {
		return c, f.wrong("line %d: context %s must be a mapping, such as server: URL", body.Line, name.Value)
	}
	for key, value := range pairs(body) {
		if err := f.checkContextKey(name.Value, key, value); err != nil {
			return c, err
		}
	}
	if err := body.Decode(&c); err != nil {
		return c, f.wrong("line %d: context %s: %s", body.Line, name.Value, err)
	}
	if c.URL() == "" {
		return c, f.wrong("line %d: context %s has no server", name.Line, name.Value)
	}
	return c, nil
}

func (f *File) checkContextKey(context string, key, value *yaml.Node) error {
	scalarKey := key.Value == keyServer || key.Value == keyData
	switch {
	case key.Value == keyKubernetes:
		return f.checkKubernetes(context, value)
	case !scalarKey || value.Kind != yaml.ScalarNode:
		return f.wrong("line %d: context %s: unknown key %q; use server, data or kubernetes", key.Line, context, key.Value)
	}
	return nil
}

var contextName = regexp.MustCompile(`^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`)

// ContextNames returns the contexts' names in alphabetical order.
func (f *File) ContextNames() []string { return slices.Sorted(maps.Keys(f.Contexts)) }

// Use makes a context the current one. If it does not exist, the error has code
// invalid.
func (f *File) Use(name string) error {
	if _, ok := f.Contexts[name]; !ok {
		return f.noContext(name)
	}
	f.Context = name
	set(f.root(), keyContext, scalar(name))
	return nil
}

func (f *File) noContext(name string) error {
	e := sx.NewError(sx.CodeInvalid, "context %q not found", name)
	if names := f.ContextNames(); len(names) > 0 {
		return e.WithHint("use one of: %s", strings.Join(names, ", "))
	}
	return e.WithHint("create the context local with: sx up")
}

// At returns the context of the server with a URL: the one with the preferred name if
// that is it, else a local server that runs, else any.
func (f *File) At(url, preferred string) (found Context, ok bool) {
	if c, known := f.Contexts[preferred]; known && c.URL() == url {
		return c, true
	}
	for _, name := range f.ContextNames() {
		c := f.Contexts[name]
		if url == "" || c.URL() != url {
			continue
		}
		if c.Data != "" && exists(filepath.Join(c.Data, api.InstanceFile)) {
			return c, true
		}
		if !ok {
			found, ok = c, true
		}
	}
	return found, ok
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// localContext is the name of the context of the first local server.
const localContext = "local"

// NameForData returns the name for the context of the local server with a data
// directory: the one it has, or local if that is free, or else one made from the
// directory's name.
func (f *File) NameForData(dir string) string {
	for _, name := range f.ContextNames() {
		if f.Contexts[name].Data == dir {
			return name
		}
	}
	base := localContext
	if _, taken := f.Contexts[base]; taken {
		if base = plainName(filepath.Base(dir)); base == "" {
			base = localContext
		}
	}
	return f.unused(base)
}

// LastData returns the data directory of the local server that was used last as far as
// is known: that of the current context, or of local, or of the only one; else "".
func (f *File) LastData() string {
	if dir := f.Contexts[f.Context].Data; dir != "" {
		return dir
	}
	if dir := f.Contexts[localContext].Data; dir != "" {
		return dir
	}
	if all := f.DataDirs(); len(all) == 1 {
		return all[0]
	}
	return ""
}

// DataDirs returns the data directories of all local servers, by context name.
func (f *File) DataDirs() (dirs []string) {
	for _, name := range f.ContextNames() {
		if dir := f.Contexts[name].Data; dir != "" {
			dirs = append(dirs, dir)
		}
	}
	return dirs
}

// Set changes a setting in the file. It does not check the value; see Check.
func (f *File) Set(key, value string) {
	set(f.root(), key, scalar(value))
	if key == keyContext {
		f.Context = value
	}
}

// Unset removes a setting from the file.
func (f *File) Unset(key string) {
	unset(f.root(), key)
	if key == keyContext {
		f.Context = ""
	}
}

// Check checks the file as Load would, with its changes.
func (f *File) Check() error {
	raw, err := f.encode()
	if err != nil {
		return err
	}
	changed := *f
	changed.raw = raw
	l, err := newLoader(&changed, nil)
	if err != nil {
		return err
	}
	return l.all(&Config{})
}

// Put stores a context and makes it the current one.
func (f *File) Put(name string, c Context) error {
	f.Contexts[name] = c
	contexts := get(f.root(), keyContexts)
	if contexts == nil {
		contexts = &yaml.Node{Kind: yaml.MappingNode}
		set(f.root(), keyContexts, contexts)
	}
	body := get(contexts, name)
	if body == nil {
		body = &yaml.Node{Kind: yaml.MappingNode}
		set(contexts, name, body)
	}
	if c.Server != "" {
		set(body, keyServer, scalar(c.Server))
	} else {
		unset(body, keyServer)
	}
	if c.Data != "" {
		set(body, keyData, scalar(c.Data))
	}
	if c.Kubernetes != (Kubernetes{}) {
		set(body, keyKubernetes, c.Kubernetes.node())
	}
	return f.Use(name)
}

// Remove removes a context. If it was the current one, none is current.
func (f *File) Remove(name string) {
	delete(f.Contexts, name)
	if contexts := get(f.root(), keyContexts); contexts != nil {
		unset(contexts, name)
		if len(contexts.Content) == 0 {
			unset(f.root(), keyContexts)
		}
	}
	if f.Context == name {
		f.Context = ""
		unset(f.root(), keyContext)
	}
}

// Save writes the file atomically, readable by its owner only.
func (f *File) Save() error {
	raw, err := f.encode()
	if err != nil {
		return err
	}
	if bytes.Equal(raw, f.raw) {
		return nil
	}
	if f.Path == "" {
		return noHome()
	}
	if err := WriteFile(f.Path, raw); err != nil {
		return sx.NewError(sx.CodeInvalid, "cannot write the config file: %s", reason(err)).WithCause(err).
			WithHint("make its directory writable, or name another file in %s", EnvFile)
	}
	f.raw, f.Exists = raw, true
	return nil
}

func (f *File) encode() ([]byte, error) {
	var out bytes.Buffer
	enc := yaml.NewEncoder(&out)
	enc.SetIndent(2)
	if err := enc.Encode(&f.doc); err != nil {
		return nil, fmt.Errorf("encode the config file: %w", err)
	}
	return out.Bytes(), nil
}

// WriteFile replaces a file atomically, readable by its owner only. It creates
// the directory if necessary. A symbolic link is kept; its target is replaced.
func WriteFile(path string, content []byte) error {
	if target, err := filepath.EvalSymlinks(path); err == nil {
		path = target
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	return atomicfile.Write(path, content, 0o600)
}
