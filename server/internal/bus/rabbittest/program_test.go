package rabbittest

import (
	"strings"
	"testing"
)

func TestMissingRabbitMQ(t *testing.T) {
	t.Parallel()
	_, err := find([]string{t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "make test") {
		t.Errorf("without RabbitMQ the error is %v, want one that names make test", err)
	}
}
