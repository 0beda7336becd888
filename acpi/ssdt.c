/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "acpi/aml.h"
#include "acpi/ssdt.h"
#include "vmm/pci.h"

#define SSDT_REVISION 2 /* 64-bit integers */

static void processor(struct aml *a, unsigned uid)
{
	char name[16];
	u32 dev;

	snprintf(name, sizeof(name), "C%03X", uid);
	dev = aml_device_begin(a, name);
	aml_name_str(a, "_HID", "ACPI0007");
	aml_name_int(a, "_UID", uid);
	aml_end(a, dev);
}

int ssdt_build_x86(const struct acpi_x86 *x, u8 **data, u32 *len)
{
	const struct pci_map *map = pci_host_map(x->pci);
	struct aml a;
	u32 scope;
	int err;

	aml_init(&a);
	aml_table(&a, "SSDT", SSDT_REVISION);
	aml_name_int(&a, "LBUS", pci_host_last_bus(x->pci));
	aml_name_int(&a, "P32B", map->mem32);
	aml_name_int(&a, "P32L", map->mem32_len);
	aml_name_int(&a, "P64B", map->mem64);
	aml_name_int(&a, "P64L", pci_host_mem64_len(x->pci));
	aml_name_int(&a, "UART", x->uart);
	scope = aml_scope_begin(&a, "\\_SB");
	for (unsigned i = 0; i < x->cpus; i++)
		processor(&a, i);
	aml_end(&a, scope);
	err = aml_finish(&a, data, len);
	aml_fini(&a);
	return err;
}
