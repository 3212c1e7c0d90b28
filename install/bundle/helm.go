package bundle

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	corev1 "k8s.io/api/core/v1"
)

// release is the part of a release in Helm's storage that is collected: not the
// manifests, which are collected from the cluster.
type release struct {
	Name  string `json:"name"`
	Info  info   `json:"info"`
	Chart struct {
		Metadata struct {
			Name       string `json:"name"`
			Version    string `json:"version"`
			AppVersion string `json:"appVersion"`
		} `json:"metadata"`
	} `json:"chart"`
	Config  any `json:"config,omitempty"` // the operator's values
	Version int `json:"version"`          // the revision
}

type info struct {
	FirstDeployed string `json:"first_deployed"`
	LastDeployed  string `json:"last_deployed"`
	Description   string `json:"description"`
	Status        string `json:"status"`
}

// maxRelease is the maximum size of an uncompressed release, in bytes.
const maxRelease = 32 << 20

// helm collects the history of the release, with redacted values.
func (c *collection) helm(secrets []corev1.Secret) {
	for _, s := range secrets {
		if s.Labels["owner"] != "helm" || s.Labels["name"] != c.Release {
			continue
		}
		path := "helm/revision-" + s.Labels["version"] + ".json"
		r, err := unpack(s.Data["release"])
		if err != nil {
			c.missing(path, fmt.Errorf("decode the release: %w", err))
			continue
		}
		r.Config = c.redactor.values(r.Config, false)
		c.doc(path, r)
	}
}

func unpack(raw []byte) (*release, error) {
	packed, err := base64.StdEncoding.DecodeString(string(raw))
	if err != nil {
		return nil, err
	}
	zip, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		return nil, err
	}
	plain, err := io.ReadAll(io.LimitReader(zip, maxRelease))
	if err != nil {
		return nil, err
	}
	r := &release{}
	if err := json.Unmarshal(plain, r); err != nil {
		return nil, errors.New("not in the format of Helm 3")
	}
	return r, nil
}
