/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Platform description: address map, interrupt lines and tables of each architecture, without KVM. Linked for both architectures
 * everywhere, so that `nidus show ... --arch A` works on any machine. plat_x86_64.c, plat_arm64.c.
 */
#ifndef NIDUS_PLAT_H
#define NIDUS_PLAT_H

#include "acpi/acpi.h"
#include "firmware/boot.h"
#include "vmm/bits.h"
#include "vmm/mem.h"
#include "vmm/pci.h"

#define PLAT_MAX_REGIONS 16

struct vm_config;

struct plat {
	struct mem_range ram[MEM_MAX_SLOTS];
	unsigned n_ram;
	struct pci_map pci;
	gpa_t viommu; /* register page of the first vIOMMU unit */
	u32 apic_ids[64]; /* x86: by vCPU index */
	struct acpi_blob iommu; /* the vIOMMU units' table, set by whoever creates them; borrowed */
};

/* phys_bits: physical address width of CPU and host together (36..52). -EINVAL if RAM of mem_bytes and the windows do not fit. */
int plat_x86_64_init(const struct vm_config *c, unsigned phys_bits, struct plat *p) __must_check;

/* COM1 exists: the console is neither off nor virtio-console. */
bool plat_x86_64_has_uart(const struct vm_config *c);

/* The memory map for the guest (E820): RAM minus the ACPI area, reserved ECAM and so on. Returns the number of entries. */
unsigned plat_x86_64_regions(const struct plat *p, struct boot_region *out, unsigned max);

/* All tables, for a load at X86_ACPI_BASE; pci is assigned. *out is the caller's: acpi_free(). -ENOMEM, -E2BIG. */
int plat_x86_64_acpi(const struct plat *p, const struct vm_config *c, struct pci_host *pci, struct acpi_tables *out) __must_check;

#endif
