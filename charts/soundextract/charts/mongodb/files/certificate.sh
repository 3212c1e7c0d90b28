# Puts the certificate and its key into one file.
umask 077
cat /run/tls/tls.crt /run/tls/tls.key >/certificate/server.pem.new
mv /certificate/server.pem.new /certificate/server.pem
