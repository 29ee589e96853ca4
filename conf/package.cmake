# SPDX-License-Identifier: Apache-2.0
# Debian packages: `cpack --config BUILD/CPackConfig.cmake -B DIRECTORY` makes prism (prismd, prismctl, modules) and prism-dev
# (headers, libraries and template for modules of your own) from a finished release build.

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME prism)
set(CPACK_PACKAGE_CONTACT "${PROJECT_NAME} maintainers <root@localhost>" CACHE STRING "Maintainer of the packages")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "${PROJECT_DESCRIPTION}")
set(CPACK_VERBATIM_VARIABLES ON)
set(CPACK_STRIP_FILES ON)
# Where configuration and unit go, and what the unit says, follows from the prefix: it stays /usr while a package is made.
set(CPACK_SET_DESTDIR ON)

set(CPACK_COMPONENTS_ALL Unspecified sdk)
set(CPACK_DEB_COMPONENT_INSTALL ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_NAME prism)
set(CPACK_DEBIAN_UNSPECIFIED_DESCRIPTION "prismd gives each workload of a node a number that BPF programs can look up;
modules account, trace, schedule and enforce by it.")
set(CPACK_DEBIAN_UNSPECIFIED_PACKAGE_CONTROL_EXTRA ${CMAKE_CURRENT_LIST_DIR}/debian/postinst
    ${CMAKE_CURRENT_LIST_DIR}/debian/prerm ${CMAKE_CURRENT_LIST_DIR}/debian/postrm ${CMAKE_CURRENT_BINARY_DIR}/conffiles)
set(CPACK_DEBIAN_SDK_PACKAGE_NAME prism-dev)
set(CPACK_DEBIAN_SDK_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_SDK_PACKAGE_SHLIBDEPS OFF)
set(CPACK_DEBIAN_SDK_PACKAGE_DEPENDS "libbpf-dev (>= 1:1.4)")
set(CPACK_DEBIAN_SDK_DESCRIPTION "Headers, libraries and template for modules that are built outside of Prism's own sources.")

# What an administrator changes is asked about at an upgrade.
set(conffiles /etc/prism/prismd.yaml /etc/prism/conf.d/README)
foreach(profile ${profiles})
    list(APPEND conffiles /etc/prism/${profile})
endforeach()
list(JOIN conffiles "\n" conffiles)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/conffiles "${conffiles}\n")

include(CPack)
