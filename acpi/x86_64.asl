/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The part of the x86_64 machine that is the same for every VM. Values that are known only at run time are integers of the SSDT
 * (acpi/ssdt.c), declared External here. Compiled at build time; the C preprocessor runs first.
 */
#include "vmm/memmap_x86_64.h"

/* Interrupt of pin p (0: INTA) of device d on bus 0: the usual swizzle. Pins below a root port are swizzled by the port. */
#define PRT_PIN(d, p) Package () { ((d) << 16) | 0xFFFF, p, 0, X86_GSI_INTX + (((d) + (p)) % 4) }
#define PRT(d) PRT_PIN (d, 0), PRT_PIN (d, 1), PRT_PIN (d, 2), PRT_PIN (d, 3)
#define PRT8(d) PRT (d), PRT (d + 1), PRT (d + 2), PRT (d + 3), PRT (d + 4), PRT (d + 5), PRT (d + 6), PRT (d + 7)

DefinitionBlock ("", "DSDT", 2, "NIDUS ", "NIDUSX86", 1)
{
	External (LBUS, IntObj)
	External (P32B, IntObj)
	External (P32L, IntObj)
	External (P64B, IntObj)
	External (P64L, IntObj)
	External (UART, IntObj)

	/* Soft off only: its SLP_TYP for the sleep control register. */
	Name (_S5, Package () { X86_SLP_TYP_S5, 0, 0, 0 })

	Scope (_SB)
	{
		Device (PCI0)
		{
			Name (_HID, EisaId ("PNP0A08"))
			Name (_CID, EisaId ("PNP0A03"))
			Name (_UID, 0)
			Name (_SEG, 0)
			Name (_BBN, 0)
			Name (_CCA, 1)
			Name (_PRT, Package () { PRT8 (0), PRT8 (8), PRT8 (16), PRT8 (24) })

			Name (CR32, ResourceTemplate ()
			{
				WordBusNumber (ResourceProducer, MinFixed, MaxFixed, PosDecode, 0, 0, 0, 0, 1,,, WBUS)
				DWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, NonCacheable, ReadWrite, 0, 0, 0, 0, 1,,, W32)
			})
			Name (CR64, ResourceTemplate ()
			{
				QWordMemory (ResourceProducer, PosDecode, MinFixed, MaxFixed, Prefetchable, ReadWrite, 0, 0, 0, 0, 1,,, W64)
			})

			Method (_CRS, 0, Serialized)
			{
				CreateWordField (CR32, ^WBUS._MAX, MAXB)
				CreateWordField (CR32, ^WBUS._LEN, LENB)
				CreateDWordField (CR32, ^W32._MIN, MIN4)
				CreateDWordField (CR32, ^W32._MAX, MAX4)
				CreateDWordField (CR32, ^W32._LEN, LEN4)
				MAXB = LBUS
				LENB = LBUS + 1
				MIN4 = P32B
				MAX4 = P32B + P32L - 1
				LEN4 = P32L
				If (P64L == 0)
				{
					Return (CR32)
				}
				CreateQWordField (CR64, ^W64._MIN, MIN8)
				CreateQWordField (CR64, ^W64._MAX, MAX8)
				CreateQWordField (CR64, ^W64._LEN, LEN8)
				MIN8 = P64B
				MAX8 = P64B + P64L - 1
				LEN8 = P64L
				Return (ConcatenateResTemplate (CR32, CR64))
			}

			/* No firmware uses any PCI Express feature: the guest gets control of all that it asks for (PCI Firmware 3.3 section 4.5). */
			Method (_OSC, 4, NotSerialized)
			{
				CreateDWordField (Arg3, 0, STAT)
				If (Arg0 != ToUUID ("33DB4D5B-1FF7-401C-9657-7441C03DD766"))
				{
					STAT |= 4
				}
				ElseIf (Arg1 != 1)
				{
					STAT |= 8
				}
				Return (Arg3)
			}
		}

		/* Keeps ECAM out of the windows; Linux uses ECAM only if it is reserved here. */
		Device (MBRD)
		{
			Name (_HID, EisaId ("PNP0C02"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Memory32Fixed (ReadWrite, X86_ECAM_BASE, X86_ECAM_LEN)
			})
		}

		Device (COM1)
		{
			Name (_HID, EisaId ("PNP0501"))
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				IO (Decode16, X86_COM1_PORT, X86_COM1_PORT, 0, 8)
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { X86_GSI_COM1 }
			})
			Method (_STA, 0, NotSerialized)
			{
				If (UART)
				{
					Return (0x0F)
				}
				Return (0)
			}
		}

		Device (PWRB)
		{
			Name (_HID, EisaId ("PNP0C0C"))
			Name (_UID, 0)
		}

		/* Generic event device (ACPI 6.4 section 5.6.9): one edge, what happened is in a byte that reading clears. */
		Device (GED0)
		{
			Name (_HID, "ACPI0013")
			Name (_UID, 0)
			Name (_CRS, ResourceTemplate ()
			{
				Interrupt (ResourceConsumer, Edge, ActiveHigh, Exclusive) { X86_GSI_GED }
			})
			OperationRegion (GEDR, SystemIO, X86_GED_PORT, 1)
			Field (GEDR, ByteAcc, NoLock, WriteAsZeros)
			{
				PEND, 8
			}
			Method (_EVT, 1, Serialized)
			{
				Local0 = PEND
				If (Local0 & X86_GED_POWER_BUTTON)
				{
					Notify (PWRB, 0x80)
				}
			}
		}
	}
}
