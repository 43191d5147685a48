module firebreak.dev/controlplane/podtool

go 1.26.0
