/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>

#include "vmm/config.h"
#include "vmm/memmap_x86_64.h"
#include "vmm/plat.h"

#define PAGE 4096
#define MEM64_ALIGN GiB(1)

/* E820 types. */
#define REGION_RAM 1
#define REGION_RESERVED 2
#define REGION_ACPI 3

int plat_x86_64_init(const struct vm_config *c, unsigned phys_bits, struct plat *p)
{
	struct plat n = { .n_ram = 1 };
	u64 low = MIN(c->mem_bytes, X86_LOW_RAM_END), high = c->mem_bytes - low;
	u64 limit;

	if (phys_bits < 36 || phys_bits > 52)
		return -EINVAL;
	limit = BIT(phys_bits);
	if (c->mem_bytes <= X86_KERNEL_BASE || !IS_ALIGNED(c->mem_bytes, PAGE) || c->mem_bytes > limit)
		return -EINVAL;
	if (c->cpus == 0 || c->cpus > ARRAY_SIZE(n.apic_ids))
		return -EINVAL;

	n.ram[0] = (struct mem_range){ 0, low };
	if (high)
		n.ram[n.n_ram++] = (struct mem_range){ X86_HIGH_RAM, high };
	n.pci = (struct pci_map){
		.ecam = X86_ECAM_BASE,
		.buses = X86_ECAM_BUSES,
		.mem32 = X86_PCI32_BASE,
		.mem32_len = X86_PCI32_LEN,
		.mem64 = ALIGN_UP(X86_HIGH_RAM + high, MEM64_ALIGN),
		.mem64_limit = limit,
	};
	n.viommu = X86_VIOMMU_BASE;
	if (n.pci.mem64 >= limit)
		return -EINVAL;
	for (unsigned i = 0; i < ARRAY_SIZE(n.pci.intx_line); i++)
		n.pci.intx_line[i] = X86_GSI_INTX + i;
	for (unsigned i = 0; i < c->cpus; i++)
		n.apic_ids[i] = i;
	*p = n;
	return 0;
}

unsigned plat_x86_64_regions(const struct plat *p, struct boot_region *out, unsigned max)
{
	/*
	 * IOAPIC, local APICs and the units' registers are left out: they are not memory, and a guest driver claims them by itself. The
	 * tables are in a range of their own type, which a guest may reuse once it has read them.
	 */
	const struct boot_region r[] = {
		{ 0, X86_EBDA, REGION_RAM },
		{ X86_EBDA, X86_ACPI_BASE - X86_EBDA, REGION_RESERVED },
		{ X86_ACPI_BASE, X86_ACPI_LEN, REGION_ACPI },
		{ X86_KERNEL_BASE, p->ram[0].len - X86_KERNEL_BASE, REGION_RAM },
		{ X86_ECAM_BASE, X86_ECAM_LEN, REGION_RESERVED },
	};
	unsigned n = 0;

	for (unsigned i = 0; i < ARRAY_SIZE(r) && n < max; i++)
		out[n++] = r[i];
	for (unsigned i = 1; i < p->n_ram && n < max; i++)
		out[n++] = (struct boot_region){ p->ram[i].gpa, p->ram[i].len, REGION_RAM };
	return n;
}

bool plat_x86_64_has_uart(const struct vm_config *c)
{
	return c->console.kind != CONSOLE_OFF && !c->console.hvc;
}

int plat_x86_64_acpi(const struct plat *p, const struct vm_config *c, struct pci_host *pci, struct acpi_tables *out)
{
	const struct acpi_x86 x = {
		.cpus = c->cpus,
		.apic_ids = p->apic_ids,
		.pci = pci,
		.uart = plat_x86_64_has_uart(c),
		.iommu = p->iommu,
	};

	return acpi_build_x86(&x, X86_ACPI_BASE, X86_ACPI_LEN, out);
}
