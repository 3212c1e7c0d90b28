# Runs users.js whenever it, the Secret, the roles or the certificate have changed.
trap 'exit 0' TERM
applied=
while :; do
  touch /tmp/alive
  wanted=$(cat /run/secrets/mongodb/* /run/tls/* /setup/roles.json /setup/users.js 2>/dev/null | sha256sum)
  if [ "$wanted" != "$applied" ]; then
    [ ! -e /run/tls/tls.crt ] || sh /setup/certificate.sh
    if mongosh --nodb --quiet --norc /setup/users.js; then
      applied=$wanted
      touch /tmp/done
    fi
  fi
  sleep 5 &
  wait $!
done
