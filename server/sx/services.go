package sx

// Services returns the names of the services. Each is the name of a program (a
// directory of server/cmd), of its image and of its deployment.
func Services() []string { return []string{"auth", "gateway", "converter", "notifier"} }
