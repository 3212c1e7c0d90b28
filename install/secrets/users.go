package secrets

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/soundextract/sx/server/backoff"
)

// rabbitUser is a user in RabbitMQ's definitions.
type rabbitUser struct {
	Name     string `json:"name"`
	Password string `json:"password"`
	Tags     string `json:"tags"`
}

// rabbitPermission is a user's permission in RabbitMQ's definitions.
type rabbitPermission struct {
	User      string `json:"user"`
	VHost     string `json:"vhost"`
	Configure string `json:"configure"`
	Write     string `json:"write"`
	Read      string `json:"read"`
}

// createRabbitMQUsers creates the planned users with the permissions of the current ones.
// It can be repeated.
func (s *Secrets) createRabbitMQUsers(ctx context.Context, data map[string][]byte, exec Exec) error {
	existing, err := s.permissions(ctx, exec)
	if err != nil {
		return err
	}
	var definitions struct {
		Users       []rabbitUser       `json:"users"`
		Permissions []rabbitPermission `json:"permissions"`
	}
	var missing []string
	for _, user := range users(RabbitMQ) {
		next := rabbitUser{Name: string(data[nextPrefix+UsernameKey(user)]), Password: string(data[nextPrefix+PasswordKey(user)])}
		if user == Monitor {
			next.Tags = "monitoring"
		}
		definitions.Users = append(definitions.Users, next)
		for _, p := range existing {
			if p.User == string(data[UsernameKey(user)]) {
				p.User, p.VHost = next.Name, "/"
				definitions.Permissions = append(definitions.Permissions, p)
			}
		}
		missing = append(missing, next.Name)
	}
	if len(definitions.Permissions) < len(definitions.Users) {
		return fmt.Errorf("RabbitMQ has the permissions of %d of the %d users in the Secret %s",
			len(definitions.Permissions), len(definitions.Users), s.Name(RabbitMQ))
	}
	text, err := json.Marshal(definitions)
	if err != nil {
		return err
	}
	if _, err := exec(ctx, s.Name(RabbitMQ)+"-0", RabbitMQ, []string{"rabbitmqctl", "import_definitions", "/dev/stdin"}, string(text)); err != nil {
		return err
	}
	// The import continues after the command has ended.
	for range importPolls {
		existing, err := s.permissions(ctx, exec)
		if err != nil {
			return err
		}
		for _, p := range existing {
			missing = slices.DeleteFunc(missing, func(name string) bool { return name == p.User })
		}
		if len(missing) == 0 {
			return nil
		}
		if err := backoff.Sleep(ctx, time.Second); err != nil {
			return err
		}
	}
	return fmt.Errorf("it has not created %s; its log says why", strings.Join(missing, ", "))
}

// importPolls is the maximum number of times that RabbitMQ is asked whether it has
// imported the definitions.
const importPolls = 20

func (s *Secrets) permissions(ctx context.Context, exec Exec) ([]rabbitPermission, error) {
	var all []rabbitPermission
	err := s.rabbitmqctl(ctx, exec, &all, "list_permissions")
	return all, err
}

// removeRabbitMQUsers removes users, unless they are already removed.
func (s *Secrets) removeRabbitMQUsers(ctx context.Context, _ map[string][]byte, names []string, exec Exec) error {
	var existing []struct{ User string }
	if err := s.rabbitmqctl(ctx, exec, &existing, "list_users"); err != nil {
		return err
	}
	for _, e := range existing {
		if slices.Contains(names, e.User) {
			if _, err := exec(ctx, s.Name(RabbitMQ)+"-0", RabbitMQ, []string{"rabbitmqctl", "delete_user", e.User}, ""); err != nil {
				return err
			}
		}
	}
	return nil
}

// rabbitmqctl decodes the list that a command prints.
func (s *Secrets) rabbitmqctl(ctx context.Context, exec Exec, list any, command string) error {
	out, err := exec(ctx, s.Name(RabbitMQ)+"-0", RabbitMQ, []string{"rabbitmqctl", command, "--silent", "--formatter", "json"}, "")
	if err != nil {
		return err
	}
	if err := json.Unmarshal([]byte(out), list); err != nil {
		return fmt.Errorf("rabbitmqctl %s: %w", command, err)
	}
	return nil
}

// administration signs in with the current password of root or, if an interrupted rotation
// has already changed it, with the planned one. set creates or updates a user, and remove
// removes one that exists.
const administration = `const tls = require("fs").existsSync("/run/tls/ca.crt") ? "?tls=true&tlsCAFile=/run/tls/ca.crt" : "";
let admin;
try { admin = connect(%[1]q + tls); } catch (e) { admin = connect(%[2]q + tls); }
const run = (command) => { const r = admin.runCommand(command); if (!r.ok) throw new Error(r.errmsg); return r; };
const exists = (name) => (run({usersInfo: name}).users ?? []).length > 0;
const set = (name, pwd, role) => run({[exists(name) ? "updateUser" : "createUser"]: name, pwd, roles: [{role, db: "admin"}]});
const remove = (name) => exists(name) && run({dropUser: name});
%[3]sprint("changed");
`

// createMongoDBUsers creates the planned users with the roles of their services, and changes
// the password of root. It can be repeated.
func (s *Secrets) createMongoDBUsers(ctx context.Context, data map[string][]byte, exec Exec) error {
	var script strings.Builder
	for _, user := range users(MongoDB) {
		_, _ = fmt.Fprintf(&script, "set(%q, %q, %q);\n", data[nextPrefix+UsernameKey(user)], data[nextPrefix+PasswordKey(user)], "soundextract-"+user)
	}
	_, _ = fmt.Fprintf(&script, "admin.changeUserPassword(%q, %q);\nconnect(%q + tls).runCommand({ping: 1}).ok && ",
		data[keyUsername], data[nextPrefix+keyPassword], rootURI(data, nextPrefix+keyPassword))
	return s.mongosh(ctx, data, script.String(), exec)
}

// removeMongoDBUsers removes users, unless they are already removed.
func (s *Secrets) removeMongoDBUsers(ctx context.Context, data map[string][]byte, names []string, exec Exec) error {
	var script strings.Builder
	for _, name := range names {
		_, _ = fmt.Fprintf(&script, "remove(%q);\n", name)
	}
	return s.mongosh(ctx, data, script.String(), exec)
}

// mongosh runs a script as root. The script is sent over standard input, because others can
// see arguments.
func (s *Secrets) mongosh(ctx context.Context, data map[string][]byte, script string, exec Exec) error {
	out, err := exec(ctx, s.Name(MongoDB)+"-0", MongoDB, []string{"mongosh", "--nodb", "--quiet"},
		fmt.Sprintf(administration, rootURI(data, keyPassword), rootURI(data, nextPrefix+keyPassword), script))
	if err == nil && !strings.Contains(out, "changed") {
		err = fmt.Errorf("mongosh: %s", redact(out, data))
	}
	return err
}

// rootURI returns the address of the root user with one of the passwords in the Secret.
func rootURI(data map[string][]byte, passwordKey string) string {
	return (&url.URL{
		Scheme: "mongodb", User: url.UserPassword(string(data[keyUsername]), string(data[passwordKey])),
		Host: "localhost:27017", Path: "/admin",
	}).String()
}

// redact removes the passwords from a program's output.
func redact(out string, data map[string][]byte) string {
	for key, value := range data {
		if strings.HasSuffix(key, keyPassword) {
			out = strings.ReplaceAll(out, string(value), "…")
		}
	}
	return strings.TrimSpace(out)
}
