# Starts RabbitMQ with the users of the Secret as it is now. The definitions replace the
# default user, so no user is an administrator.
umask 077
names=
{
  printf '{"users": ['
  separator=
  for user in gateway converter notifier monitor; do
    tags=
    [ "$user" != monitor ] || tags=monitoring
    name=$(cat "/run/secrets/rabbitmq/$user-username")
    names="$names s/\"user\": \"$user\"/\"user\": \"$name\"/;"
    printf '%s{"name": "%s", "password": "%s", "tags": "%s"}' \
      "$separator" "$name" "$(cat "/run/secrets/rabbitmq/$user-password")" "$tags"
    separator=', '
  done
  printf '],\n'
  sed -e 1d -e "$names" /setup/definitions.json
} >/tmp/definitions.json
exec docker-entrypoint.sh rabbitmq-server
