# How often the repeated tests repeat: the second number is `make soak`'s, the first `make test`'s.
# Shell scripts read this file too: NAME := reduced full
BOOTS := 3 100
KILLS := 3 20
RESETS := 4 40
FUZZ_SECONDS := 5 600
NET_MIB := 4 64
NVME_MIB := 8 64
CYCLES := 3 20
ORACLE_STEPS := 50000 1000000
UNMAP_ROUNDS := 300 10000
MSI_ROUNDS := 5000 200000
