/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ACPI tables (ACPI 6.4). Static AML comes from acpi/NAME.asl through iasl at build time; values known only at run time are named
 * integers and devices in one SSDT built here; the other tables are built in C. Nothing here needs KVM: `nidus show acpi` works anywhere.
 */
#ifndef NIDUS_ACPI_H
#define NIDUS_ACPI_H

#include "vmm/bits.h"

#define ACPI_MAX_TABLES 16

struct pci_host;

struct acpi_table {
	char name[8]; /* file name stem: "dsdt", "dmar" */
	u8 *data;     /* owned */
	u32 len;
};

/* All tables, RSDP first; addresses inside are for a load at base. */
struct acpi_tables {
	struct acpi_table t[ACPI_MAX_TABLES];
	unsigned n;
	u32 offset[ACPI_MAX_TABLES]; /* of each table from base; 16-byte aligned */
	u32 total;                   /* bytes from base */
	gpa_t base;
};

/* A unit's table (DMAR, IVRS, IORT), built by acpi/iommu.c from what plat says; NULL/0: none. */
struct acpi_blob {
	const u8 *data;
	u32 len;
};

/* What the tables describe. x86: uart as 16550 port. */
struct acpi_x86 {
	unsigned cpus;
	const u32 *apic_ids;     /* cpus entries */
	struct pci_host *pci;    /* assigned */
	bool uart;               /* COM1 present: SPCR and its device */
	struct acpi_blob iommu;
};

/* -ENOMEM, -E2BIG if the tables do not fit len bytes at base. */
int acpi_build_x86(const struct acpi_x86 *a, gpa_t base, u64 len, struct acpi_tables *out) __must_check;
/* Nothing on a struct of zeros. */
void acpi_free(struct acpi_tables *t);

/* Writes name.dat for each into dir (created). 0 or -errno. */
int acpi_write_dir(const struct acpi_tables *t, const char *dir) __must_check;

#endif
