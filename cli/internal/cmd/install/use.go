package install

import (
	"github.com/soundextract/sx/cli/internal/cluster"
	"github.com/soundextract/sx/cli/internal/config"
	"github.com/soundextract/sx/install/installer"
)

// use makes the installation the server that all commands use.
func (o *Options) use(in *installer.Installer, display cluster.RolloutDisplay) error {
	file, err := config.ReadUserFile()
	if err != nil {
		return err
	}
	at := o.Cluster.Place(in)
	name := file.NameFor(at, cluster.DefaultLocation())
	if err := file.Put(name, config.Context{Kubernetes: at}); err != nil {
		return err
	}
	if err := file.Save(); err != nil {
		return err
	}
	display.Show(event("set sx to it", "context "+name))
	return nil
}
