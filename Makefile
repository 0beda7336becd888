# nidus: one Makefile, explicit source lists. V=1 shows commands.
#   make [ARCH=x86_64] [STATIC=1] [CC=clang] [WERROR=1]   ./nidus, or build/ARCH/nidus on another architecture (arm64 is to come)
#   make demo                boots a stock kernel, installing what is missing
#   make test                check + check-kvm + check-rig at reduced counts; last line: N passed, N failed, N skipped
#   make check               units, tables, fuzz seeds, lint: anywhere, no privilege, under 30 s
#   make check-kvm           bare-metal guests on /dev/kvm
#   make check-rig           whole systems inside QEMU
#   make soak                everything at the issues' full counts (tests/counts.mk)
#   make asan ubsan tsan     the units under a sanitizer
#   make fuzz T=ring S=60    one fuzz target for S seconds
#   make bench [T="boot disk"]   figures beside a peer's, a table (tests/bench/bench.sh)
#   make install PREFIX=/usr/local DESTDIR=

HOST_ARCH := $(patsubst aarch64,arm64,$(shell uname -m))
ARCH ?= $(HOST_ARCH)
VERSION := 0.1
PREFIX ?= /usr/local

ifeq ($(origin CC),default)
CC := $(if $(filter arm64,$(filter-out $(HOST_ARCH),$(ARCH))),aarch64-linux-gnu-gcc,gcc)
endif
PKG_CONFIG ?= pkg-config
LIBS := liburing jansson
Q := $(if $(V),,@)

# A flavour is a build with its own folder: plain, or a sanitizer's.
SAN ?=
BUILD := build/$(ARCH)$(if $(SAN),-$(SAN))$(if $(STATIC),-static)
BIN := $(if $(and $(filter $(HOST_ARCH),$(ARCH)),$(if $(SAN),,1)),nidus,$(BUILD)/nidus)

CFLAGS ?= $(if $(STATIC),-Os,-O2) -g
override CFLAGS += -std=gnu11 -Wall -Wextra -Wshadow -Wno-unused-parameter -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla \
	-fno-strict-aliasing -fstack-protector-strong -fno-common $(if $(WERROR),-Werror)
override CPPFLAGS += -D_GNU_SOURCE -D_FILE_OFFSET_BITS=64 -I. -I$(BUILD) -DNIDUS_VERSION='"$(VERSION)"'
override LDFLAGS += $(if $(STATIC),-static) -Wl,-z,relro,-z,now
override LDLIBS += $(shell $(PKG_CONFIG) $(if $(STATIC),--static) --libs $(LIBS)) -lpthread
SANFLAGS_asan := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
SANFLAGS_ubsan := -fsanitize=undefined -fno-sanitize-recover=undefined
SANFLAGS_tsan := -fsanitize=thread
SANFLAGS_fuzz := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined
# One small file to carry elsewhere: what nothing calls is left out, and so are tables for unwinding, which only C++ needs.
ifneq ($(STATIC),)
override CFLAGS += -ffunction-sections -fdata-sections -fno-asynchronous-unwind-tables
override LDFLAGS += -Wl,--gc-sections -Wl,-z,noseparate-code
endif
ifneq ($(SAN),)
override CFLAGS += $(SANFLAGS_$(SAN))
override LDFLAGS += $(SANFLAGS_$(SAN))
endif

# Linked for every architecture.
SRCS := \
	vmm/log.c \
	vmm/host_error.c \
	vmm/mem.c \
	vmm/mem_fail.c \
	vmm/dma.c \
	vmm/bus.c \
	vmm/reg.c \
	vmm/event.c \
	vmm/irq.c \
	vmm/pci.c \
	vmm/pci_fn.c \
	vmm/pci_bar.c \
	vmm/pci_assign.c \
	vmm/pci_bridge.c \
	vmm/pci_msix.c \
	vmm/pci_show.c \
	vmm/config.c \
	vmm/options.c \
	vmm/option_values.c \
	vmm/options_rows.c \
	vmm/show.c \
	vmm/manual.c \
	vmm/completion.c \
	vmm/offline_x86_64.c \
	vmm/check.c \
	vmm/report.c \
	vmm/console.c \
	vmm/units.c \
	vmm/vm.c \
	vmm/kvm.c \
	vmm/irq_kvm.c \
	vmm/kvm_vfio.c \
	vmm/iommufd.c \
	vmm/host_pci.c \
	vmm/vfio.c \
	vmm/vfio_nest.c \
	vmm/vfio_cfg.c \
	vmm/vfio_bar.c \
	vmm/vfio_irq.c \
	vmm/vfio_p2p.c \
	vmm/vfio_show.c \
	vmm/bind.c \
	vmm/check_vfio.c \
	vmm/vcpu.c \
	vmm/plat_x86_64.c \
	acpi/acpi.c \
	acpi/aml.c \
	acpi/ssdt.c \
	acpi/iommu.c \
	firmware/boot.c \
	firmware/bzimage.c \
	firmware/pvh.c \
	devices/devices.c \
	devices/uart.c \
	devices/virtio.c \
	devices/virtio_ring.c \
	devices/virtio_blk.c \
	devices/blk_io.c \
	devices/blk_image.c \
	devices/virtio_rng.c \
	devices/virtio_net.c \
	devices/virtio_vsock.c \
	devices/vsock_uds.c \
	devices/virtio_balloon.c \
	devices/virtio_console.c \
	devices/vhost.c \
	devices/vhost_tlb.c \
	devices/tap.c \
	devices/rate.c \
	devices/pvpanic.c \
	devices/power_x86.c \
	devices/ioapic.c \
	devices/pci_conf1.c \
	devices/viommu/viommu.c \
	devices/viommu/attach.c \
	devices/viommu/space.c \
	devices/viommu/queue.c \
	devices/viommu/backend_soft.c \
	devices/viommu/backend_iommufd.c \
	devices/viommu/backend_iommufd_amd.c \
	devices/viommu/x86_walk.c \
	devices/viommu/iotlb.c \
	devices/viommu/vtd.c \
	devices/viommu/vtd_queue.c \
	devices/viommu/vtd_fault.c \
	devices/viommu/vtd_decode.c \
	devices/viommu/amdvi.c \
	devices/viommu/amdvi_queue.c \
	devices/viommu/amdvi_event.c \
	devices/viommu/amdvi_decode.c \
	devices/viommu/amdvi_fn.c \
	devices/testdev.c
SRCS_x86_64 := vmm/arch_x86_64.c vmm/cpuid_x86_64.c vmm/check_x86_64.c vmm/machine_x86_64.c
SRCS_arm64 :=

SRCS += $(or $(SRCS_$(ARCH)),$(error ARCH=$(ARCH): nidus runs on x86_64 only so far))

OBJS := $(SRCS:%.c=$(BUILD)/%.o)
LIB := $(BUILD)/libnidus.a
AML := $(patsubst acpi/%.asl,$(BUILD)/acpi/%.aml.h,$(wildcard acpi/*.asl))

all: $(BIN)

# ./nidus is linked again where another flavour was linked last.
ifeq ($(BIN),nidus)
LINKED := build/linked
$(shell mkdir -p build && { echo $(BUILD) | cmp -s - $(LINKED) || echo $(BUILD) >$(LINKED); })
endif

$(BIN): $(BUILD)/vmm/main.o $(LIB) $(LINKED)
	@echo "  LD      $@"
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $(filter-out $(LINKED),$^) $(LDLIBS)

$(LIB): $(OBJS)
	@echo "  AR      $@"
	$(Q)rm -f $@ && $(if $(filter aarch64%,$(CC)),aarch64-linux-gnu-)ar rcs $@ $^

$(BUILD)/%.o: %.c
	@echo "  CC      $<"
	@mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) $(CFLAGS) -MMD -MP -c -o $@ $<

$(OBJS): | $(AML)

# The static AML as a C array named after the file: x86_64.asl -> aml_x86_64[].
$(BUILD)/acpi/%.aml.h: acpi/%.asl $(wildcard vmm/memmap_*.h)
	@echo "  IASL    $<"
	@mkdir -p $(@D)
	$(Q)$(CC) -E -P -x assembler-with-cpp -I. $< | sed '/^#/d' > $(BUILD)/acpi/$*.dsl
	$(Q)iasl -we -vr -vs -p $(BUILD)/acpi/$* $(BUILD)/acpi/$*.dsl > $(BUILD)/acpi/$*.log || { cat $(BUILD)/acpi/$*.log; exit 1; }
	$(Q){ echo "static const unsigned char aml_$*[] = {"; od -An -v -tu1 $(BUILD)/acpi/$*.aml | sed 's/  */,/g; s/^,//; s/$$/,/'; echo "};"; } > $@

-include $(OBJS:.o=.d) $(BUILD)/vmm/main.d

include guests/guests.mk
include tests/tests.mk

# What the option table says, by a binary that runs here.
DOCS := build/docs
$(DOCS)/nidus.1 $(DOCS)/nidus.bash: $(if $(filter nidus,$(BIN)),nidus)
	@mkdir -p $(@D)
	$(Q)$(if $(filter nidus,$(BIN)),,$(MAKE) --no-print-directory ARCH=$(HOST_ARCH) CC=$(if $(filter %clang,$(CC)),clang,gcc) STATIC= SAN= nidus)
	$(Q)./nidus show $(if $(filter %.1,$@),man,completion) > $@

install: $(BIN) $(DOCS)/nidus.1 $(DOCS)/nidus.bash
	install -Dm755 $(BIN) $(DESTDIR)$(PREFIX)/bin/nidus
	install -Dm644 $(DOCS)/nidus.1 $(DESTDIR)$(PREFIX)/share/man/man1/nidus.1
	install -Dm644 $(DOCS)/nidus.bash $(DESTDIR)$(PREFIX)/share/bash-completion/completions/nidus

clean:
	rm -rf build nidus

.PHONY: all install clean
.DELETE_ON_ERROR:
