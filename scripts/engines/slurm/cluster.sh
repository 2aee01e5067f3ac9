#!/bin/bash
# Sources into test.sh: a Slurm cluster of two nodes with one core each on this machine, in the folder $1, which needs
# root and Debian's packages slurm-wlm and munge. It leaves the machine's own Slurm and munge alone.
#   cluster_start DIR        starts munged, slurmctld and two slurmds, and waits until both nodes are idle
#   cluster_node NAME        starts the slurmd of a node, n1 or n2; its process ID is in DIR/NAME.started
#   cluster_stop             ends all of them

cluster_start() {
	cluster=$(realpath "$1")
	mkdir -p "$cluster"/{state,n1,n2,munge}
	chmod 700 "$cluster/munge"
	dd if=/dev/urandom of="$cluster/munge/key" bs=1k count=1 status=none
	chmod 400 "$cluster/munge/key"
	munged --foreground --force --key-file="$cluster/munge/key" --socket="$cluster/munge/socket" \
		--pid-file="$cluster/munge/pid" --log-file="$cluster/munge/log" --seed-file="$cluster/munge/seed" \
		2>"$cluster/munge.err" &
	cluster_pids=($!)
	local port=$((20000 + RANDOM % 20000))
	cat >"$cluster/slurm.conf" <<-CONF
		ClusterName=scratch
		SlurmctldHost=localhost
		SlurmctldPort=$port
		SlurmUser=root
		SlurmdUser=root
		AuthType=auth/munge
		AuthInfo=socket=$cluster/munge/socket
		CredType=cred/munge
		StateSaveLocation=$cluster/state
		SlurmdSpoolDir=$cluster/%n
		SlurmctldPidFile=$cluster/slurmctld.pid
		SlurmdPidFile=$cluster/%n.pid
		SlurmctldLogFile=$cluster/slurmctld.log
		SlurmdLogFile=$cluster/%n.log
		ProctrackType=proctrack/linuxproc
		TaskPlugin=task/none
		SelectType=select/cons_tres
		SelectTypeParameters=CR_Core
		SchedulerType=sched/backfill
		SchedulerParameters=sched_min_interval=100000,sched_interval=1,bf_interval=1
		ReturnToService=2
		SlurmdTimeout=10
		KillWait=2
		MailProg=/bin/true
		MpiDefault=none
		JobRequeue=1
		NodeName=n1 NodeHostname=localhost Port=$((port + 1)) CPUs=1
		NodeName=n2 NodeHostname=localhost Port=$((port + 2)) CPUs=1
		PartitionName=all Nodes=n1,n2 Default=YES MaxTime=INFINITE State=UP
	CONF
	export SLURM_CONF="$cluster/slurm.conf"
	until [ -S "$cluster/munge/socket" ]; do sleep 0.1; done
	slurmctld -D -f "$SLURM_CONF" 2>"$cluster/slurmctld.err" &
	cluster_pids+=($!)
	cluster_node n1
	cluster_node n2
	for _ in $(seq 300); do
		[ "$(sinfo --noheader --Node --format %N --states idle 2>/dev/null | wc -l)" = 2 ] && return
		sleep 0.1
	done
	echo "the nodes do not become idle" >&2
	sinfo >&2
	tail -n 20 "$cluster"/*.log "$cluster"/*.err >&2
	return 1
}

cluster_node() {
	slurmd -D -N "$1" -f "$SLURM_CONF" 2>"$cluster/$1.err" &
	cluster_pids+=($!)
	echo $! >"$cluster/$1.started"
}

cluster_stop() {
	scancel --user root 2>/dev/null
	sleep 1
	kill "${cluster_pids[@]}" 2>/dev/null
	wait "${cluster_pids[@]}" 2>/dev/null
}
