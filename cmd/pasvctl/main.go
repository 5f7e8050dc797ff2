// Command pasvctl computes the passive ports that FTP sites need and renders
// the firewall rules and server configs that agree on them.
package main

func main() {}
