/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Guest physical address map and port map of the x86_64 machine. Plain #defines only: acpi/x86_64.asl includes this file too.
 *
 *   0            RAM up to 3 GiB
 *   0xC0000000   32-bit PCI window
 *   0xE0000000   ECAM, 256 buses
 *   0xFEB00000   platform registers (vIOMMU units)
 *   0xFEC00000   IOAPIC
 *   0xFEE00000   local APICs, MSI
 *   4 GiB        rest of RAM, then the 64-bit PCI window
 */
#ifndef NIDUS_MEMMAP_X86_64_H
#define NIDUS_MEMMAP_X86_64_H

#define X86_LOW_RAM_END 0xC0000000
#define X86_PCI32_BASE 0xC0000000
#define X86_PCI32_LEN 0x20000000
#define X86_ECAM_BASE 0xE0000000
#define X86_ECAM_BUSES 256
#define X86_ECAM_LEN 0x10000000
#define X86_VIOMMU_BASE 0xFEB00000
#define X86_VIOMMU_STRIDE 0x1000
#define X86_VIOMMU_MAX 16
#define X86_IOAPIC_BASE 0xFEC00000
#define X86_LAPIC_BASE 0xFEE00000
#define X86_TSS_ADDR 0xFFFBD000
#define X86_IDENTITY_MAP_ADDR 0xFFFBC000
#define X86_HIGH_RAM 0x100000000

/* Ports. The power registers are one byte each: ACPI sleep control and status, reset, and the event device's pending byte. */
#define X86_COM1_PORT 0x3F8
#define X86_SLEEP_CTRL_PORT 0x600
#define X86_SLEEP_STATUS_PORT 0x601
#define X86_RESET_PORT 0x602
#define X86_GED_PORT 0x603
#define X86_PCI_CONF1_PORT 0xCF8

#define X86_RESET_VALUE 0x01
#define X86_SLP_TYP_S5 5
/* Bits of the event device's pending byte, cleared by reading. */
#define X86_GED_POWER_BUTTON 0x01

/* Wired interrupts (GSI = IOAPIC pin). */
#define X86_GSI_COM1 4
#define X86_GSI_GED 9
#define X86_GSI_INTX 16
#define X86_IOAPIC_PINS 24
#define X86_IOAPIC_ID 0

/* Below 1 MiB: what the VMM lays out. */
#define X86_WARM_RESET_GPA 0x472
#define X86_BOOT_GDT 0x500
#define X86_PVH_INFO 0x6000
#define X86_ZERO_PAGE 0x7000
#define X86_PVH_MEMMAP 0x7000
#define X86_PVH_MODLIST 0x8000
#define X86_BOOT_STACK 0x8FF0
#define X86_BOOT_PT 0x9000
#define X86_CMDLINE 0x20000
#define X86_CMDLINE_MAX 0x10000
#define X86_EBDA 0x9FC00
#define X86_ACPI_BASE 0xE0000
#define X86_ACPI_LEN 0x20000
#define X86_KERNEL_BASE 0x100000

#endif
