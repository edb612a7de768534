# Warnings are errors; hardening belongs to every optimised build.
add_compile_options(
  -Wall -Wextra -Wshadow -Wconversion -Wstrict-prototypes -Wmissing-prototypes -Wvla
  -Wnull-dereference -Wformat=2 -Wundef -Wpointer-arith -Wwrite-strings -Werror
  -fno-omit-frame-pointer -fno-strict-aliasing)
add_compile_definitions(_GNU_SOURCE WP_VERSION="${PROJECT_VERSION}")

if(WP_SANITIZE)
  add_compile_options(-fsanitize=${WP_SANITIZE} -fno-sanitize-recover=all -g)
  add_link_options(-fsanitize=${WP_SANITIZE})
  # gcc's null-dereference analysis is confused by sanitizer instrumentation.
  add_compile_options(-Wno-null-dereference)
elseif(CMAKE_BUILD_TYPE STREQUAL "Release" OR CMAKE_BUILD_TYPE STREQUAL "RelWithDebInfo")
  add_compile_options(-U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -fstack-protector-strong
    -fstack-clash-protection -fcf-protection -ffunction-sections -fdata-sections)
  add_link_options(-Wl,-z,relro,-z,now,-z,noexecstack -Wl,--gc-sections -Wl,--as-needed -pie)
endif()
if(WP_FUZZ)
  # coverage that libFuzzer steers by; only its targets bring libFuzzer's main
  add_compile_options(-fsanitize=fuzzer-no-link)
  add_link_options(-fsanitize=fuzzer-no-link)
endif()
if(WP_ALLOC_FAULTS)
  add_compile_definitions(WP_ALLOC_FAULTS=1)
endif()
