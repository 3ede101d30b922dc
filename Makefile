# xdp-ipsec: one non-recursive Makefile. Output under build/ (O= moves it).
#   make | make test (T=word picks) | make bench | make demo | make fuzz | make lint | make install | make deps
#   SAN=1: address and undefined-behaviour sanitizers, in a folder of its own (xdp-iked: without leaks, ike/daemon/main.c).   V=1: show commands.
SAN ?=
O ?= $(if $(SAN),build/san,build)
V ?=
T ?=
FUZZ_TIME ?= 60
PREFIX ?= /usr/local
DESTDIR ?=

ifeq ($(V),)
Q := @
say = @printf '  %-5s %s\n' $(1) '$(2)'
else
Q :=
say = @:
endif

CC := gcc
CLANG := clang
BPFTOOL := $(firstword $(wildcard /usr/sbin/bpftool) bpftool)
VERSION := $(shell cat packaging/VERSION)

WARN := -Wall -Wextra -Werror -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith -Wvla
CFLAGS ?= -O2 -g
XCFLAGS := -std=gnu11 $(WARN) -I. -I$(O) -D_GNU_SOURCE -DXI_VERSION='"$(VERSION)"' -pthread -march=x86-64-v2 \
	-fstack-protector-strong
XLDFLAGS := -pthread
LIBS := -lxdp -lbpf -lIPSec_MB -lcrypto -lnettle -lmnl -ljansson -lcap-ng -luv -lseccomp -lelf -lz
ifneq ($(SAN),)
XCFLAGS += -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
XLDFLAGS += -fsanitize=address,undefined
endif

BPF_CFLAGS := -std=gnu11 -O2 -g -target bpf -mcpu=v3 $(filter-out -Wmissing-prototypes -Wstrict-prototypes,$(WARN)) \
	-Wno-unused-function -I. -I/usr/include/$(shell $(CC) -print-multiarch)

LIB_ROOMS := base crypto maps ipsec io route conf attach
LIB_SRC := $(sort $(foreach r,$(LIB_ROOMS),$(wildcard user/$(r)/*.c)))
WORKER_SRC := $(sort $(wildcard user/worker/*.c))
CLI_SRC := $(sort $(wildcard user/cli/*.c))
IKE_SRC := $(sort $(wildcard ike/*/*.c))
BPF_SRC := $(sort $(wildcard bpf/*.bpf.c))
UNIT_SRC := $(sort $(wildcard tests/unit/t_*.c))
BPFT_SRC := $(sort $(wildcard tests/bpf/t_*.c))
FUZZ_SRC := $(sort $(wildcard tests/fuzz/f_*.c))
BENCH_SRC := $(filter-out %.bpf.c,$(sort $(wildcard bench/*.c)))
BENCH_BPF_SRC := $(sort $(wildcard bench/*.bpf.c))
TOOL_SRC := $(sort $(wildcard tests/lib/*.c))

obj = $(patsubst %.c,$(O)/%.o,$(1))
BPF_OBJ := $(patsubst %.bpf.c,$(O)/%.bpf.o,$(BPF_SRC))
SKEL := $(patsubst %.bpf.c,$(O)/%.skel.h,$(BPF_SRC))
BENCH_SKEL := $(patsubst %.bpf.c,$(O)/%.skel.h,$(BENCH_BPF_SRC))
LIB := $(O)/libxi.a
# The programs' rooms without their main(), for tests that reach into them.
CLI_LIB := $(O)/libcli.a
WORKER_LIB := $(O)/libworker.a
IKE_LIB := $(O)/libike.a
PROGRAMS := $(O)/xdp-ipsec $(O)/xdp-ipsecd $(O)/xdp-iked
UNIT := $(patsubst %.c,$(O)/%,$(UNIT_SRC))
BPFT := $(patsubst %.c,$(O)/%,$(BPFT_SRC))
FUZZ_REPLAY := $(patsubst %.c,$(O)/%_replay,$(FUZZ_SRC))
FUZZERS := $(patsubst %.c,$(O)/%,$(FUZZ_SRC))
BENCH := $(patsubst %.c,$(O)/%,$(BENCH_SRC))
TOOLS := $(patsubst %.c,$(O)/%,$(TOOL_SRC))

.PHONY: all programs check-programs test bench demo fuzz lint install uninstall deps deps-check clean
.DELETE_ON_ERROR:
.SECONDARY:
all: programs

programs: deps-check
	$(Q)$(MAKE) --no-print-directory O=$(O) $(PROGRAMS)
check-programs: programs
	$(Q)$(MAKE) --no-print-directory O=$(O) $(UNIT) $(BPFT) $(FUZZ_REPLAY) $(TOOLS) $(BENCH)

# --- dependencies: deps installs what is missing, deps-check only looks (fast) ---
deps:
	$(Q)sh packaging/deps.sh install
deps-check:
	$(Q)sh packaging/deps.sh check build

# --- C ---
$(O)/%.o: %.c | $(SKEL)
	$(call say,CC,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(XCFLAGS) -MMD -MP -c -o $@ $<
$(LIB): $(call obj,$(LIB_SRC))
$(CLI_LIB): $(call obj,$(filter-out user/cli/main.c,$(CLI_SRC)))
$(WORKER_LIB): $(call obj,$(filter-out user/worker/main.c,$(WORKER_SRC)))
$(IKE_LIB): $(call obj,$(filter-out ike/daemon/main.c,$(IKE_SRC)))
$(LIB) $(CLI_LIB) $(WORKER_LIB) $(IKE_LIB): $(O)/sources
	$(call say,AR,$@)
	$(Q)rm -f $@ && ar rcs $@ $(filter %.o,$^)
# Changes when a source comes or goes: an archive must not keep the object of one that is gone.
$(O)/sources: FORCE
	$(Q)mkdir -p $(@D); echo '$(LIB_SRC) $(CLI_SRC) $(WORKER_SRC) $(IKE_SRC)' | cmp -s - $@ || \
		echo '$(LIB_SRC) $(CLI_SRC) $(WORKER_SRC) $(IKE_SRC)' > $@
FORCE:
link = $(Q)$(CC) $(XLDFLAGS) -o $@ $(1) $(LDFLAGS) $(LIBS)
$(O)/xdp-ipsec: $(O)/user/cli/main.o $(CLI_LIB) $(LIB)
	$(call say,LD,$@)
	$(call link,$^)
$(O)/xdp-ipsecd: $(O)/user/worker/main.o $(WORKER_LIB) $(LIB)
	$(call say,LD,$@)
	$(call link,$^)
$(O)/xdp-iked: $(O)/ike/daemon/main.o $(IKE_LIB) $(LIB)
	$(call say,LD,$@)
	$(call link,$^)
$(UNIT) $(BPFT): $(O)/%: $(O)/%.o $(CLI_LIB) $(WORKER_LIB) $(IKE_LIB) $(LIB)
	$(call say,LD,$@)
	$(Q)$(CC) $(XLDFLAGS) -o $@ $^ $(LDFLAGS) $(LIBS) -lcmocka
$(call obj,$(BENCH_SRC)): | $(BENCH_SKEL)
$(O)/bench/ike $(O)/bench/ike_load: $(O)/%: $(O)/%.o $(IKE_LIB) $(LIB)
	$(call say,LD,$@)
	$(call link,$^)
$(filter-out $(O)/bench/ike%,$(BENCH)) $(TOOLS): $(O)/%: $(O)/%.o $(LIB)
	$(call say,LD,$@)
	$(call link,$^)

# --- BPF ---
$(O)/%.bpf.o: %.bpf.c
	$(call say,BPF,$<)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -c -o $@ $<
$(O)/%.skel.h: $(O)/%.bpf.o
	$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name $(notdir $*) > $@

# --- fuzzers: libFuzzer (clang) for `make fuzz`; the same file with a small driver replays the corpus in `make test` ---
FUZZ_CC := $(CLANG) -g -O1 -std=gnu11 -D_GNU_SOURCE -DXI_VERSION='"$(VERSION)"' -I. -I$(O) -pthread -march=x86-64-v2
$(FUZZERS): $(O)/%: %.c $(LIB_SRC) $(CLI_SRC) $(WORKER_SRC) $(IKE_SRC) | $(SKEL)
	$(call say,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(FUZZ_CC) -fsanitize=fuzzer,address,undefined -fno-sanitize-recover=undefined -o $@ $< $(LIB_SRC) $(filter-out ike/daemon/main.c,$(IKE_SRC)) \
		$(filter-out user/cli/main.c,$(CLI_SRC)) $(filter-out user/worker/main.c,$(WORKER_SRC)) $(LIBS)
$(FUZZ_REPLAY): $(O)/%_replay: $(O)/%.o $(O)/tests/fuzz/replay.o $(CLI_LIB) $(WORKER_LIB) $(IKE_LIB) $(LIB)
	$(call say,LD,$@)
	$(call link,$^)

# --- what people run ---
test: deps-all check-programs
	$(Q)O=$(O) T='$(T)' V='$(V)' SAN='$(SAN)' bash tests/run.sh
bench: deps-all check-programs
	$(Q)O=$(O) bash bench/all.sh
demo: deps-all programs check-programs
	$(Q)O=$(O) bash tests/e2e/demo.sh
fuzz: deps-all programs
	$(Q)$(MAKE) --no-print-directory O=$(O) $(FUZZERS)
	$(Q)O=$(O) FUZZ_TIME=$(FUZZ_TIME) bash tests/fuzz/run.sh
lint: deps-all programs
	$(Q)O=$(O) bash tests/lint.sh
.PHONY: deps-all
deps-all:
	$(Q)sh packaging/deps.sh check || sh packaging/deps.sh install

include packaging/install.mk

clean:
	$(Q)rm -rf $(O)

-include $(shell find $(O) -name '*.d' 2>/dev/null)
