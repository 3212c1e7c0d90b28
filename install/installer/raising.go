package installer

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/soundextract/sx/install/support"
	"github.com/soundextract/sx/server/sx"
)

// raiseAll raises MongoDB's feature compatibility version and RabbitMQ's feature flags to
// the series that run, unless that has been done.
func (in *Installer) raiseAll(ctx context.Context, upgrades []upgrade) error {
	sets, err := in.Cluster.Client.AppsV1().StatefulSets(in.Cluster.Namespace).List(ctx, in.selector())
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	for _, set := range sets.Items {
		product := support.Product(strings.TrimPrefix(set.Name, in.Release+"-"))
		series := support.SeriesOf(support.TagOf(imageOf(set.Spec.Template.Spec, product)))
		if len(support.All(product)) == 0 || series == "" {
			continue
		}
		claims, err := in.claimsOf(ctx, product)
		if err != nil {
			return in.Cluster.WrapError(err)
		}
		upgraded := slices.ContainsFunc(upgrades, func(u upgrade) bool { return u.product == product })
		unknown := slices.ContainsFunc(claims, func(c corev1.PersistentVolumeClaim) bool { return c.Annotations[annotationData] != series })
		switch {
		case upgraded:
			err = in.raise(ctx, product, series)
		case unknown: // new data, or data of the same series that sx did not install
			err = in.annotateClaims(ctx, product, series)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// raise sets MongoDB's feature compatibility version, or enables RabbitMQ's feature
// flags. Afterwards the next series can use the data, and the previous one no longer can.
func (in *Installer) raise(ctx context.Context, product support.Product, series string) error {
	name := "raise MongoDB's feature compatibility version"
	do := in.raiseMongoDB
	if product == support.RabbitMQ {
		name, do = "enable RabbitMQ's feature flags", in.enableFeatureFlags
	}
	return in.step(name, func() (string, error) {
		if err := do(ctx, series); err != nil {
			return "", sx.NewError(sx.CodeUnavailable, "%s runs version %s, but does not allow its data to use it: %v", product, series, err).
				WithHint("run the same command again to continue").WithCause(err)
		}
		return series, in.annotateClaims(ctx, product, series)
	})
}

func (in *Installer) annotateClaims(ctx context.Context, product support.Product, series string) error {
	claims, err := in.claimsOf(ctx, product)
	if err != nil {
		return in.Cluster.WrapError(err)
	}
	patch, err := json.Marshal(map[string]any{"metadata": map[string]any{"annotations": map[string]string{annotationData: series}}})
	if err != nil {
		return err
	}
	for _, c := range claims {
		_, err := in.Cluster.Client.CoreV1().PersistentVolumeClaims(in.Cluster.Namespace).
			Patch(ctx, c.Name, types.MergePatchType, patch, metav1.PatchOptions{FieldManager: "sx"})
		if err != nil {
			return in.Cluster.WrapError(fmt.Errorf("record the version of the data: %w", err))
		}
	}
	return nil
}

func (in *Installer) enableFeatureFlags(ctx context.Context, _ string) error {
	_, err := in.Exec(ctx, in.Release+"-rabbitmq-0", "rabbitmq", []string{"rabbitmqctl", "enable_feature_flag", "all"}, "")
	return err
}

// feature signs in to MongoDB as the root user; it prints fcv= and the feature
// compatibility version, after having set it unless %[1]s is empty.
const feature = `const fs = require("fs");
const read = (name) => fs.readFileSync("/run/secrets/mongodb/" + name, "utf8").trim();
const tls = fs.existsSync("/run/tls/ca.crt") ? "?tls=true&tlsCAFile=/run/tls/ca.crt" : "";
const admin = connect("mongodb://" + encodeURIComponent(read("username")) + ":" + encodeURIComponent(read("password")) + "@localhost:27017/admin" + tls);
const fcv = () => admin.runCommand({getParameter: 1, featureCompatibilityVersion: 1}).featureCompatibilityVersion.version;
%[1]sprint("fcv=" + fcv());
`

var featurePrinted = regexp.MustCompile(`fcv=(\d+\.\d+)`)

// featureVersion returns MongoDB's feature compatibility version: the series of its data.
func (in *Installer) featureVersion(ctx context.Context) (string, error) {
	return in.mongosh(ctx, fmt.Sprintf(feature, ""))
}

func (in *Installer) raiseMongoDB(ctx context.Context, series string) error {
	confirm := ", confirm: true" // 7.0 and later require it; earlier ones do not know it
	if support.Compare(series, "7.0") < 0 {
		confirm = ""
	}
	set := fmt.Sprintf("if (fcv() !== %[1]q) { admin.runCommand({setFeatureCompatibilityVersion: %[1]q%[2]s}); }\n", series, confirm)
	got, err := in.mongosh(ctx, fmt.Sprintf(feature, set))
	if err == nil && got != series {
		err = fmt.Errorf("the feature compatibility version is %s", got)
	}
	return err
}

// mongosh runs a script that prints the feature compatibility version.
func (in *Installer) mongosh(ctx context.Context, script string) (string, error) {
	out, err := in.Exec(ctx, in.Release+"-mongodb-0", "mongodb", []string{"mongosh", "--nodb", "--quiet"}, script)
	if err != nil {
		return "", err
	}
	printed := featurePrinted.FindAllStringSubmatch(out, -1)
	if len(printed) == 0 {
		return "", fmt.Errorf("mongosh did not print the feature compatibility version")
	}
	return printed[len(printed)-1][1], nil
}
