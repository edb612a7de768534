# Third-party libraries, each behind one imported target wp::ext::<name>. A room names the
# ones it may use in cmake/rooms.cmake; tools/check-layers names the files that may include them.
find_package(PkgConfig REQUIRED)
find_package(OpenSSL 3.0 REQUIRED)
find_package(Threads REQUIRED)

# Prefers the static library, so that the program stays one file; falls back to the shared one.
function(wp_library name header static shared)
  find_path(WP_${name}_INCLUDE ${header} HINTS ${WP_DEPS_DIR}/root/usr/include)
  find_library(WP_${name}_LIBRARY NAMES ${static} ${shared}
    HINTS ${WP_DEPS_DIR}/root/usr/lib ${WP_DEPS_DIR}/root/usr/lib/${CMAKE_LIBRARY_ARCHITECTURE})
  if(NOT WP_${name}_INCLUDE OR NOT WP_${name}_LIBRARY)
    message(FATAL_ERROR "${name} was not found: run ./dev deps, which installs what the build needs")
  endif()
  add_library(wp_ext_${name} INTERFACE)
  add_library(wp::ext::${name} ALIAS wp_ext_${name})
  target_include_directories(wp_ext_${name} SYSTEM INTERFACE ${WP_${name}_INCLUDE})
  target_link_libraries(wp_ext_${name} INTERFACE ${WP_${name}_LIBRARY} ${ARGN})
endfunction()

wp_library(uv uv.h libuv_a.a uv Threads::Threads dl rt)
wp_library(yaml yaml.h libyaml.a yaml)
wp_library(sqlite sqlite3.h libsqlite3.a sqlite3 Threads::Threads dl m)
wp_library(xxhash xxhash.h libxxhash.a xxhash)
wp_library(zstd zstd.h libzstd.a zstd)
wp_library(llhttp llhttp.h libllhttp.a llhttp)
wp_library(yyjson yyjson.h libyyjson.a yyjson)

add_library(wp_ext_openssl INTERFACE)
add_library(wp::ext::openssl ALIAS wp_ext_openssl)
target_link_libraries(wp_ext_openssl INTERFACE OpenSSL::SSL OpenSSL::Crypto)

# Where Debian 12 has no yyjson, its shared library is carried beside the program (build/lib,
# /usr/lib/warmpath in the package) and found by a relative run path.
if(WP_yyjson_LIBRARY MATCHES "^${WP_DEPS_DIR}")
  get_filename_component(dir ${WP_yyjson_LIBRARY} DIRECTORY)
  file(GLOB found "${dir}/libyyjson.so.*")
  file(COPY ${found} DESTINATION ${CMAKE_BINARY_DIR}/lib)
  set(WP_CARRIED_LIBRARIES ${found} CACHE INTERNAL "")
endif()
set(CMAKE_BUILD_RPATH "$ORIGIN/lib;${CMAKE_BINARY_DIR}/lib")
set(CMAKE_INSTALL_RPATH "$ORIGIN/../lib/warmpath")
