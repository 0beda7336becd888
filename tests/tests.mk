# The test targets; included by the Makefile. Counts live in tests/counts.mk.
include tests/counts.mk

UNITS := $(sort $(wildcard tests/unit/test_*.c))
UNIT_BINS := $(UNITS:%.c=$(BUILD)/%)
FUZZERS := $(sort $(wildcard tests/fuzz/fuzz_*.c))
FUZZ_BINS := $(FUZZERS:%.c=$(BUILD)/%)
LINTS := $(sort $(wildcard tests/lint/*.sh))

# A unit test may replace a function of the library by defining it, and wrap calls with a line "// wrap: open ioctl" of its own.
wraps = $(foreach w,$(shell sed -n 's,^// wrap: ,,p' $(1)),-Wl,--wrap=$(w))

$(BUILD)/tests/unit/%: tests/unit/%.c $(LIB)
	@echo "  TEST    $*"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP $(LDFLAGS) -o $@ $< $(LIB) $(call wraps,$<) $(LDLIBS) -lcmocka

# Fuzz targets define LLVMFuzzerTestOneInput(); here they replay their seeds, `make fuzz` links them with libFuzzer.
$(BUILD)/tests/fuzz/fuzz_%: tests/fuzz/fuzz_%.c tests/fuzz/replay.c $(LIB)
	@echo "  FUZZ    $*"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -Wno-missing-prototypes -MMD -MP $(LDFLAGS) -o $@ $< tests/fuzz/replay.c $(LIB) $(LDLIBS)

-include $(UNIT_BINS:=.d) $(FUZZ_BINS:=.d)

units: $(UNIT_BINS) $(FUZZ_BINS) $(if $(SAN),,$(BIN))
	@BUILD=$(BUILD) NIDUS_STEPS=$${NIDUS_STEPS:-$(word $(if $(SOAK),2,1),$(ORACLE_STEPS))} tests/units.sh $(UNIT_BINS)
	@BUILD=$(BUILD) tests/fuzz/seeds.sh $(FUZZ_BINS)

check: units
	@for l in $(LINTS); do BUILD=$(BUILD) $$l || exit 1; done

asan ubsan tsan:
	$(Q)$(MAKE) --no-print-directory SAN=$@ units

# The library is built once for all targets, in a flavour of its own.
FUZZ_DIR := build/fuzz
fuzz-lib:
	$(Q)$(MAKE) --no-print-directory SAN=fuzz CC=clang CFLAGS="-O1 -g" build/$(ARCH)-fuzz/libnidus.a

fuzz: fuzz-lib
	@test -n "$(T)" || { echo "usage: make fuzz T=target S=seconds"; exit 2; }
	@mkdir -p $(FUZZ_DIR)/corpus-$(T)
	$(Q)clang $(CPPFLAGS) -Ibuild/$(ARCH)-fuzz -O1 -g -std=gnu11 -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined \
		-o $(FUZZ_DIR)/$(T) tests/fuzz/fuzz_$(T).c build/$(ARCH)-fuzz/libnidus.a $(LDLIBS)
	$(FUZZ_DIR)/$(T) -max_total_time=$(or $(S),60) -timeout=10 -rss_limit_mb=2048 $(FUZZ_DIR)/corpus-$(T) $(wildcard tests/fuzz/seeds/$(T))

demo:
	@tests/demo.sh

check-kvm: $(BIN)
	@tests/kvm/check.sh

check-rig: $(BIN) guests
	@tests/rig/check.sh

# make bench T="boot disk": only these of tests/bench/rows
bench: $(BIN) guests
	@tests/bench/bench.sh $(T)

test:
	@tests/test.sh

soak:
	@SOAK=1 tests/test.sh

.PHONY: units check check-kvm check-rig test soak asan ubsan tsan fuzz fuzz-lib demo bench
