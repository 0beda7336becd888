# Bare-metal guests: guests/NAME.c with guests/lib becomes $(BUILD)/guests/NAME, an ELF file with a PVH note. Included by the Makefile.
GUESTS := $(if $(wildcard guests/lib/start_$(ARCH).S),$(sort $(wildcard guests/*.c)))
GUEST_BINS := $(GUESTS:%.c=$(BUILD)/%)
GUEST_LIB := $(addprefix $(BUILD)/guests/lib/,$(addsuffix .o,boot print counters pci virtio virtio_prove virtio_abuse vtd edu cpu_$(ARCH) smp_$(ARCH) start_$(ARCH)))

GUEST_CFLAGS := -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wno-unused-parameter -Wmissing-prototypes -ffreestanding -fno-pic -fno-pie \
	-fno-stack-protector -fno-asynchronous-unwind-tables -fno-strict-aliasing -fcf-protection=none -fno-common \
	-mno-red-zone -mgeneral-regs-only -mcmodel=small -I. $(if $(WERROR),-Werror)

$(BUILD)/guests/%.o: guests/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(GUEST_CFLAGS) -MMD -MP -c -o $@ $<

$(BUILD)/guests/lib/%.o: guests/lib/%.S
	@mkdir -p $(@D)
	$(Q)$(CC) -I. -MMD -MP -c -o $@ $<

$(GUEST_BINS): $(BUILD)/guests/%: $(BUILD)/guests/%.o $(GUEST_LIB) guests/lib/$(ARCH).ld
	@echo "  GUEST   $*"
	@echo 'const char guest_name[] = "$*";' > $@.name.c
	$(Q)$(CC) $(GUEST_CFLAGS) -static -nostdlib -Wl,--build-id=none -Wl,-z,noexecstack -T guests/lib/$(ARCH).ld -o $@ $@.name.c $< $(GUEST_LIB)

guests: $(GUEST_BINS)

-include $(GUEST_BINS:=.d) $(GUEST_LIB:.o=.d)

.SECONDARY: $(GUEST_BINS:=.o) $(GUEST_LIB)
.PHONY: guests
check-kvm check-rig: guests
check-kvm: export BUILD := $(BUILD)
check-kvm: export NIDUS := ./$(BIN)
